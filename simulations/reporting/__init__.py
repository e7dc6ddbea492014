"""A failure for people and for programs.

finding  what there is to report
words    events as people read them
story    a run as rows: when, to whom, what, and where it goes wrong
why      what was missed or lost, in words
text     for a terminal: a column for each client, one for the server, one for the log
tree     for programs: JSON
page     for a browser: one file with the timeline as a picture
"""
