"""relive: a reactive backend in Python."""
