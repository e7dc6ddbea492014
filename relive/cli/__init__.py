"""The command line: one module for each command, ``main`` around them.

main         the `relive` command: subcommands, exit codes, how errors are shown
options      arguments and options that several commands share
output       results to stdout, remarks to stderr
progress     bars for what takes long
failures     what is said of an error, and how the command ends then
exit_codes   the codes that commands end with

init         `relive init`: copies the template
template     the app that it copies
serve        `relive serve`
dev          `relive dev`
deploy       `relive deploy`
serving      the server process, from an open data folder to a graceful stop
development  beside it in `relive dev`: watch, deploy, generate types
run          `relive run`: one call over HTTP
watching     `relive run --watch`: each new result of a live query
administration  what commands have in common that administer a server
env          `relive env`
actions      `relive actions`: durable ones
jobs         `relive jobs`: scheduled functions
migrate      `relive migrate`
pause        `relive pause` and `relive resume`
logs         `relive logs`
execution_text  executions of functions for people
live         the client of the sync protocol behind it
codegen      `relive codegen`
log          `relive log`: show and verify
blame        every change of a document, and why
checkpoint   `relive log checkpoint`, and how a server has it done
compaction   `relive log compact` and `relive log erase`
descriptors    how many files and connections a server may have open
collector    when Python looks for garbage
log_files    reads a log beside its writer
statistics_text  how much a log holds, for people and for programs
past         `relive run --at`
past_process  the same for a server, in a process of its own
why          `relive why`
fork         `relive fork`
simulate     `relive simulate`
shadow       `relive shadow`
from_log     `relive test from-log`
replay       `relive replay`
moments      an LSN or a time, as people write them
replaying    running functions again from the log
verifying    running a range of the log again in several processes
export       tables as a file
importing    documents from a file, all of them or none
backup       `relive backup`
restore      `relive restore`
replay_text  how entries came out when they were run again
entry_text   entries for people and for programs
admin_key    `relive admin-key`
errors       what a command can run into
"""
