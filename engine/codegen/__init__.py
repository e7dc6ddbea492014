"""Clients' types, generated from the type hints of an app.

``files.generate`` gives the text of each file, ``files.write`` puts them into a folder.  The same
app gives the same bytes, on any machine.
"""
