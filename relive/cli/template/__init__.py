"""What `relive init` copies: a working app.  It is source text here, and never imported."""
