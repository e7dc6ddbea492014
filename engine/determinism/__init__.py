"""Running users' queries and mutations so that they can be run again with the same outcome.

This is help against honest mistakes.  It is not a security boundary.

At load:

lint                 what the text of a module already shows to be non-deterministic
lint_module          what the names of a module mean
lint_function        reads one function: remarks, and whom it calls
lint_rules           what handlers may not call, and why
frozen               makes a module's state read-only while a handler runs
sealed_types         containers that may be changed outside handlers only
hash_seed            one order of sets for each deployment: starts Python over with its seed

While a handler runs:

driver               runs a handler to its end, synchronously and under the gate
gate                 is this thread inside a handler, and what does its run see?
audit                the audit hook: which of CPython's events mean what
blame                whose line it is; raises violations that name it
remedies             what to do instead
patching             replaces functions of the standard library, once
replacements_time    clocks stand still
replacements_random  randomness comes from the run's seed
replacements_os      asking or changing the machine is refused
replacements_logs    print and logging go to the run's log, or to the action's
recording            which action speaks
trio_context         hides the server's task from handlers
limits               CPU and memory
second_strike        stops a handler that swallows the exception which was to stop it

Afterwards:

reexecution          runs twice and compares
real                 the real clock and entropy, for the server itself
errors               how a handler is stopped, and what a server is told
"""
