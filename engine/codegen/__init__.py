"""Clients' types, generated from the type hints of an app.

``files.generate`` gives the text of each TypeScript file, ``files.write`` puts them into a folder;
``python_client.python_client`` gives the text of a Python module.  The same app gives the same bytes,
on any machine.

files      the generated files: their texts, and how they reach the disk
functions  ``api.d.ts``: a tree of function references
tables     ``dataModel.d.ts``: documents, field paths, indexes
types      shapes as TypeScript types

python_client   a Python module: functions as attributes, by module and folder
python_types    shapes as dataclasses and ids
python_values   functions that read values from the wire and write them to it
client_runtime  what every such module begins with; copied, never imported here
"""
