"""What later versions of the simulated app have in place of its module `items`.

second  another index, another field with a default
third   a field more, a function that does something else, a migration
"""
