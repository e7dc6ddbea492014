"""What the log knows about the past: everything here reads entries and changes nothing.

statistics    how many entries and bytes, by table, kind and function
biography     every change of one document, with its cause and what it changed
replica       the state that the log tells, moved from entry to entry with the code of its time
starting      the state after an entry, from the newest checkpoint before it
reexecution   do entries come out again as they are?
shadow        would other code have done the same?
digests       what tables hold, in few bytes
past_query    queries of the past, and who changed last what they read
comparison    two ways to the same state
errors        what the log cannot tell
"""
