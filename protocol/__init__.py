"""Values, ids and the wire: what clients and server say to each other.

Nothing here does I/O, reads a clock or draws a random number.
"""
