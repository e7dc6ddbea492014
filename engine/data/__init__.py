"""What documents look like: from a class to index keys, and back from stored bytes.

schema         `Document`, `Record`, `Id`, `field`
indexes        `index`, `nested`: which fields a table is ordered by
aggregates     `aggregate`: an index that also counts and adds up
text_indexes   `text_index`: which text is searched
words          the words of a text, and those that a search wants
text_fields    the keys of a document in a text index, and the ranges of a search
vector_indexes  `vector_index`: which vectors are compared
vector_fields  what a vector has to be, and what a search for near ones asks and has read
index_fields   where the fields of an index are in a document, and the keys they make
hints          type hints as msgspec has to see them
shapes         what a type hint looks like to a client
documents      Python objects to values and back
read_only      lists and dictionaries inside documents
id_checks      whether each id belongs to the table that its type says
renames        stored fields that were called something else
table_codec    one table: reads, checks, orders and writes its documents
fingerprint    what reading a table depends on besides bytes, as a hash
error_paths    where in a value an error of msgspec is, to the key
catalog        which tables there are, and the number of each
settings       declared environment variables: what each may be
system_tables  the tables whose names begin with _, and their fixed numbers
visible_tables  which of them functions see, and what of them
"""
