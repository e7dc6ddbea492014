"""Data in and out: exports and imports, and copies of a whole data folder.

formats      which files there are: a ZIP as Convex makes it, JSON lines, a JSON array, CSV
cells        values in the cells of a CSV file
snapshot     all documents of some tables, as of one moment
exporting    a snapshot as the bytes of a file, a little at a time
archive      reads a ZIP that somebody may have tampered with
rows         reads documents from a file, row by row
numbering    which number each imported table gets, as ids of the file need it
importing    an import: staged beside what is served, then one entry, or nothing
uploads      files that are on their way in, and wait to be imported
backup       a copy of a data folder that is being served, and back
limits       how much of everything
errors       what a file can be refused for
"""
