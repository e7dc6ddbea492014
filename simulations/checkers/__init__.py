"""What must be true of every run; each says what is not, and asks nothing of the engine.

violation        what a checker says
verdict          all checkers in order
processes        no process fails but by its disk
recovery         what is recovered, with a checkpoint or without, is what the log says
shape            the log: dense, in order of time, each request once
serializability  the log is what its functions do one after another
agreement        a mutation comes out the same at its snapshot and at its commit
audit            no entry had read what changed between its snapshot and its commit
durability       what was acknowledged is in the log, once, with that result; what failed is not
order            what came after an acknowledgement comes after its commit
calls            what is answered over HTTP is of some moment, and done once if it says so
subscriptions    everything that a client shows is of the moment that it says
pages            pages of one moment fit together without gap or overlap
jobs             no job is lost, and nobody gets one that another has
schedules        scheduled functions run once, at their time, in their order, and none is lost
steps            steps of durable actions are recorded once, and all get done
crons            crons run one at a time and in step, and go on
migrations       each document is migrated once
isolation        what clients were told can come of transactions one after another, whatever the log says
liveness         once all is well, all get done
"""
