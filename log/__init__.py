"""The append-only log: one entry for each committed transaction, with its cause."""
