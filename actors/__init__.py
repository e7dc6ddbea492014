"""Who does what: plain objects, messages in, effects out."""
