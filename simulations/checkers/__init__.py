"""What must be true of every run; each says what is not, and asks nothing of the engine.

violation        what a checker says
verdict          all checkers in order
processes        no process fails but by its disk, and recovery builds what the log says
shape            the log: dense, in order of time, each request once
serializability  the log is what its functions do one after another
durability       what was acknowledged is in the log, once, with that result; what failed is not
order            what came after an acknowledgement comes after its commit
subscriptions    everything that a client shows is of the moment that it says
pages            pages of one moment fit together without gap or overlap
liveness         once all is well, all get done
"""
