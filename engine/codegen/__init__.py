"""Clients' types, generated from the type hints of an app.

``files.generate`` gives the text of each file, ``files.write`` puts them into a folder.  The same
app gives the same bytes, on any machine.

files      the generated files: their texts, and how they reach the disk
functions  ``api.d.ts``: a tree of function references
tables     ``dataModel.d.ts``: documents, field paths, indexes
types      shapes as TypeScript types
"""
