"""What a developer writes against, and the shells that carry it to the network."""
