"""Functions for later: what was scheduled runs when it is due, whatever happened in between.

jobs    the rows of scheduled functions, and how they change
crons   the rows of crons: planned by deploys, moved on by each run
backoff  when jobs that the disk has refused are tried again
driver  begins what is due, in its order, a little at a time
"""
