"""An app whose types are checked: schema and functions are right, the rest is wrong on purpose."""
