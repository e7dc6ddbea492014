"""An app, and its functions as a test of it imports them."""
