"""Values, ids and the wire: what clients and server say to each other.

Nothing here does I/O, reads a clock or draws a random number.

Values:

values          the value model: what documents hold, functions take and return
order           their total order, and bytes that sort like it
json            Convex JSON, and the two other formats that HTTP offers
cbor            canonical CBOR: how values are stored and hashed
ids             document ids: a table's number and 16 bytes, as text
paths           function paths: ``folder/module:function``
timestamps      nanoseconds since the Unix epoch, as clients read them
limits          every limit of values, messages and connections, with its unit

The wire:

messages        every message of the Convex sync protocol
wire            the server's half: text to message, message to text
server_session  what is legal on a socket now, what has been said, what is owed
requests        what one socket asks of the engine, once it is known to be legal
results         what running a function gave, ready to be sent
chunks          a transition too large for one message, in pieces
close           how an error ends a socket or an HTTP request
client_wire     the client's half of the wire
client_session  the client's half of a connection, over many sockets
client_version  which client is at the other end
errors          what can go wrong, and what the caller can do about each
"""
