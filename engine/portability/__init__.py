"""Data in and out: exports, imports and backups.

formats      which files there are: a ZIP as Convex makes it, JSON lines, a JSON array, CSV
cells        values in the cells of a CSV file
snapshot     all documents of some tables, as of one moment
exporting    a snapshot as the bytes of a file, a little at a time
archive      reads a ZIP that somebody may have tampered with
sources      what a file holds for which table
rows         reads documents from a file, row by row
stored_files  files in a ZIP: their rows, and their bytes
numbering    which number each imported table gets, as ids of the file need it
importing    an import: staged beside what is served, then one entry, or nothing
backup       a copy of a data folder that may be served meanwhile, and back
backup_view  the log in such a copy, to be read
limits       how much of everything
errors       what a file can be refused for
"""
