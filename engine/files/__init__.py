"""Files: bytes beside the database, each with a row in `_storage` that says what they are.

file_store    what keeps the bytes: the seam that is implemented by
memory_files  a dictionary, for tests and simulations; or
folder_files  a folder of the data folder; or
s3_files      a bucket of an S3 API
folder_copy   a copy of a folder of files, for commands
in_thread     work that waits for a disk or a network
files         from bytes that arrive to a row, and from a row that is gone to bytes that are gone
ranges        which part of a file an HTTP request asks for
errors        why a file is refused, or cannot be had
"""
