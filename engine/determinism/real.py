"""The real clock and entropy, for the server itself: taken before anything is replaced.

``driver.install`` replaces ``time.time`` and its kin for the whole process.  Outside handlers the
replacements pass on, but cost some tens of nanoseconds; shells use these instead.
"""

from __future__ import annotations

import os
import signal
import sys
import time

real_clock_ns = time.time_ns
"""Nanoseconds since the Unix epoch."""
real_monotonic_ns = time.monotonic_ns
real_perf_counter_ns = time.perf_counter_ns
real_thread_time_ns = time.thread_time_ns
"""CPU time of this thread."""
real_entropy = os.urandom
real_write = os.write
real_read_at = getattr(os, "pread", None)
real_signal = signal.signal
real_get_signal = signal.getsignal
real_set_timer = getattr(signal, "setitimer", None)
real_set_trace = sys.settrace
