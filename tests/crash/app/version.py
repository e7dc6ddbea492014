"""What the harness writes anew, to deploy other code."""

VERSION = 0
