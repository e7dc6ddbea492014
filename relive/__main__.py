"""The command line: ``relive`` and ``python -m relive`` are the same."""

from __future__ import annotations

from .cli.main import main as main

if __name__ == "__main__":
    main()
