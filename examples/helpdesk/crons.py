"""What runs again and again."""

from __future__ import annotations

from datetime import timedelta

from relive import Crons

from .digests import write

crons = Crons()
crons.every("digest", timedelta(minutes=1), write)
