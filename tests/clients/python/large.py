"""Results and arguments beyond the default limits of WebSocket libraries.

This client refuses frames over 16 MiB, so a larger message must come to it in pieces.
"""

from __future__ import annotations

from convex import ConvexClient

from .harness import URL, finish

# 13.1 MB of bytes are a message of 17.5 MB in base64.
BYTES = 51_200 * 256
CHARACTERS = 2_000_000

client = ConvexClient(URL)
measured = client.mutation("large:measure", {"text": "x" * CHARACTERS})
blob = client.query("large:blob", {"size": BYTES})

finish(
    {
        "bytes": BYTES,
        "received": len(blob),
        "last": blob[-1],
        "characters": CHARACTERS,
        "measured": measured,
    }
)
