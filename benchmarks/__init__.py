"""How fast relive is, and how far from what the machine allows.

    python -m benchmarks [ROW...]        measure, and print a table
    python -m benchmarks profile ROW     where the server spends its time in one row

Rows
    in-process       functions called directly: mutations and queries a second, in memory and on disk
    mutations-N      N clients, each sends the next mutation when it has the answer to the last
    notify           from one client's write to the arrival of the new result at another
    fan-out          one writer, many subscribers of one query
    channels         many subscribers, each of another query; 16 writers spread over what they watch
    restart          time to the first answer with 100,000 documents, with a checkpoint and without, beside the
                     time that Python needs to read the same bytes; memory for them, and per subscriber
    search           searches of 100,000 texts for frequent and rare words, beside range reads of as many documents
    limits           what the machine and the libraries below us allow

Method
    * The server is ``python -m relive serve``, a process of its own, with every commit forced to disk
      before anybody hears of it.  Its folder is on the disk of the checkout, not in memory.
    * The load is another process.  It shares the machine with the server, so whatever it uses is
      taken from what is measured: it is one loop over bare sockets (``websocket``, ``loads``) that
      sends frames made beforehand and looks only at what it must.
    * A mutation counts when both its MutationResponse and the Transition after it have arrived, as
      for official clients.  Live queries list the newest 50 messages of a channel, about 13 kB.
    * Every message carries a number.  A subscriber looks at the number of the newest message in each
      result, and at the end all subscribers must show exactly the newest 50 of their channel, or the
      row fails.
    * Limits are measured beside the figures, in the same round: echoes a second of a server that is
      trio-websocket and nothing else, with the *same* light client, messages as long as a mutation's
      and the same number of clients; what that server can push to as many sockets, in messages as
      long as an update; and 500-byte appends with fdatasync, through the storage that the log uses.
      So a ratio compares two servers under one load, not two clients.
    * Machines are noisy: rows and limits take turns, in several rounds, each with a fresh server and
      an empty folder.  What is printed is the median; a ratio is the median of the rounds' ratios.
    * The machine must be idle: on a busy one, whoever waits for an fsync gets its turn late, so that
      fsyncs seem slow and hide what the server adds.

Aims: mutations of 64 clients at 0.5 of the echo rate or more; a notification in less than 3 times
one fsync and one echo.  Nothing fails when they are missed: a benchmark is not a test.
"""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]

# The checkout's folder `relive` is only a part of the package: an installed one must be found before it.
if sys.path and Path(sys.path[0] or ".").resolve() == CHECKOUT:
    sys.path.append(sys.path.pop(0))
