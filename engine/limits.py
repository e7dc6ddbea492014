"""What one transaction may do.  The limits of the wire and of values are in `protocol.limits`."""

from __future__ import annotations

DOCUMENTS_READ_MAX = 32_000
"""Documents that one query or mutation may scan, filtered ones included."""
BYTES_READ_MAX = 16 * 1024 * 1024
RANGES_READ_MAX = 4_096
"""Index ranges, each `get` being one."""
DOCUMENTS_WRITTEN_MAX = 16_000
BYTES_WRITTEN_MAX = 16 * 1024 * 1024
HANDLER_CPU_S_MAX = 1.0
"""CPU time of one handler: all clients wait while it runs."""
HANDLER_MEMORY_BYTES_MAX = 512 * 1024 * 1024
COMMIT_ATTEMPTS_MAX = 5
"""Runs of one mutation whose reads change underneath it, before the conflict is reported."""
CONNECTIONS_MAX = 20_000
OFFENDERS_SHOWN_MAX = 5
"""Documents shown when a schema does not fit the stored data."""
MODULE_BYTES_MAX = 4 * 1024 * 1024
BUNDLE_BYTES_MAX = 32 * 1024 * 1024
"""Source code of one deployed app."""
