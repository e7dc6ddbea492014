"""What proves it: one seed decides everything."""
