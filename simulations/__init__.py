"""What proves it: one seed decides everything.

app            the app that is run
versions       what its later versions have instead
apps           all of them, loaded
driver         runs a trio program so that its plan decides everything; it alone knows trio's private names
schedule       who runs next: policies, and their choices as numbers
randomness     one stream for each thing that needs some
sites          the rare choices that the code makes in a simulation
probes         all that a run can say it reached
plan           operations, faults, knobs and schedule of a run, as data
swarm          plans from seeds
workloads      what clients ask for
world          what comes in from outside, and what goes wrong there
damage         what a start makes of a disk that rotted, tried on a copy
process        one life of a server process, made of the code that ships
maker          the disk, as the process sees it that makes checkpoints
operator       whoever deploys and migrates
follower       a second executor, behind the newest commit
server_socket  its end of a connection
wire           a connection as bytes, for the server's own listener
client         a client, and what its application sees
caller         a client that calls functions over HTTP
paging         which page a client watches next
network        connections that delay, stall and end
trace          what happened, in order
run            a plan to a trace and the log that was left
model          the app a second time, brutally simple
fold           the documents that a log makes
remembered     the requests that a log answers
keys           the keys of documents, made of the log
moments        what time it was
history        the log, laid over the model
excuses        what each fault excuses
isolation      whether clients can tell that transactions were not one after another
checkers       what must be true of every run
authored       an app of somebody's own: what its author says of it, and what is wrong with a run
subject        what is simulated: all that campaigns, the minimiser and the reports know
attempts       many seeds, here or in worker processes
campaign       many seeds, what failed, what was reached
determinism    some seeds again in another process
minimise       a smaller plan that fails in the same way
small_scope    small plans to look for a known failure in
values         plans with one value smaller
kept           plans that failed, run first next time
reporting      a failure for people and for programs
progress       how far a campaign is
options        options that such commands have in common
command        what a command that simulates does
__main__       the command line
errors         what can go wrong with a simulation itself
"""
