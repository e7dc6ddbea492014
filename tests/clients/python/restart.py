"""The server is killed and started again under a subscription."""

from __future__ import annotations

from convex import ConvexClient

from .harness import URL, finish, step

client = ConvexClient(URL)
subscription = client.subscribe("counters:get", {"name": "n"})
before = [next(subscription)]
client.mutation("counters:add", {"name": "n"})
before.append(next(subscription))

step("kill and restart")

added = client.mutation("counters:add", {"name": "n"})
after = [next(subscription)]
while after[-1] != 2:  # the first result after a reconnection may be the one from before
    after.append(next(subscription))

finish({"before": before, "added": added, "after": after, "asked": client.query("counters:get", {"name": "n"})})
