"""Running users' queries and mutations so that they can be run again with the same outcome.

Layers, cheapest first: ``lint`` reads the source at load; ``frozen`` makes module-level state
read-only; ``driver`` runs a handler under the gate, where ``audit`` refuses I/O and the
``replacements_*`` give the run's clock and randomness; ``limits`` stops runaways; ``reexecution``
runs twice and compares, which catches most of what is left.

This is help against honest mistakes.  It is not a security boundary.

lint                 advice at load time, from the text of a module
lint_module          what the names of a module mean
lint_function        what one function does and calls
lint_rules           which names handlers may not call, and why
frozen               module-level state becomes read-only while a handler runs
sealed_types         the containers that make it so
driver               runs a handler to its end, synchronously
gate                 is this thread inside a handler, and what does its run see?
audit                what CPython's audit events mean inside a handler
replacements_time    every clock stands still
replacements_random  everything drawn comes from the run's seed
replacements_os      what asks or changes the machine is refused
replacements_logs    prints and logging go to the run's log
patching             how functions of the standard library are replaced, once
real                 the real clock and entropy, for the server itself
trio_context         hides the running trio task from the handler
hash_seed            one hash seed for each deployment
limits               CPU and memory of one handler
second_strike        stops a handler that swallows the exception which was to stop it
reexecution          runs twice on one snapshot and compares, step by step
blame                whose line is it?
remedies             what to do instead
errors               how a handler is stopped, and what a server is told
"""
