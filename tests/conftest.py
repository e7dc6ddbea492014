"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell gives what it runs in the background no interrupts, and children inherit that: tests that send some need them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
