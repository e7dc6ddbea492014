"""The app a second time: plain lists and full scans, no indexes, no read sets, no transactions.

It says what the log must lead to.  It shares nothing with the engine, and it is simple on purpose: what it
gets wrong, it should get wrong in another way.

Invariant: `mutate` changes the state and returns, or raises Refusal and has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Factory, define

Fields = dict[str, Any]
Args = dict[str, Any]


class Refusal(Exception):
    """The function raises an application error."""


@define
class State:
    """The documents of each table, in the order in which they were made."""

    tables: dict[str, list[Fields]] = Factory(
        lambda: dict[str, list[Fields]]({"accounts": [], "counters": [], "owneds": [], "messages": []})
    )

    def copy(self) -> State:
        return State({name: [dict(row) for row in rows] for name, rows in self.tables.items()})

    def mutate(self, function: str, args: Args) -> Any:
        return MUTATIONS[function](self.tables, **args)

    def query(self, function: str, args: Args) -> Any:
        return QUERIES[function](self.tables, **args)


Tables = dict[str, list[Fields]]


def named(rows: list[Fields], name: str) -> Fields | None:
    return next((row for row in rows if row["name"] == name), None)


def bank_open(tables: Tables, name: str, amount: int) -> bool:
    if named(tables["accounts"], name) is not None:
        return False
    tables["accounts"].append({"name": name, "amount": amount})
    return True


def bank_transfer(tables: Tables, source: str, target: str, amount: int) -> list[int]:
    giver, taker = named(tables["accounts"], source), named(tables["accounts"], target)
    if giver is None or taker is None or giver["amount"] < amount:
        raise Refusal
    left = giver["amount"] - amount
    giver["amount"] = left
    taker["amount"] += amount
    return [left, taker["amount"]]


def bank_balance(tables: Tables, name: str) -> int | None:
    account = named(tables["accounts"], name)
    return None if account is None else account["amount"]


def bank_total(tables: Tables) -> int:
    return sum(row["amount"] for row in tables["accounts"])


def bank_richest(tables: Tables, names: list[str]) -> str | None:
    best: Fields | None = None
    for name in names:
        account = named(tables["accounts"], name)
        if account is None:
            break
        if best is None or account["amount"] > best["amount"]:
            best = account
    return None if best is None else best["name"]


def counters_add(tables: Tables, name: str, by: int) -> int:
    counter = named(tables["counters"], name)
    if counter is None:
        counter = {"name": name, "count": 0}
        tables["counters"].append(counter)
    counter["count"] += by
    count: int = counter["count"]
    return count


def counters_bump(tables: Tables, name: str) -> None:
    counters_add(tables, name, 1)


def counters_get(tables: Tables, name: str) -> int:
    counter = named(tables["counters"], name)
    return 0 if counter is None else counter["count"]


def names_claim(tables: Tables, name: str, owner: str) -> bool:
    if named(tables["owneds"], name) is not None:
        return False
    tables["owneds"].append({"name": name, "owner": owner})
    return True


def names_release(tables: Tables, name: str) -> bool:
    owned = named(tables["owneds"], name)
    if owned is None:
        return False
    tables["owneds"].remove(owned)
    return True


def names_owner(tables: Tables, name: str) -> str | None:
    owned = named(tables["owneds"], name)
    return None if owned is None else owned["owner"]


def names_owned(tables: Tables, owner: str) -> int:
    return sum(row["owner"] == owner for row in tables["owneds"])


def messages(tables: Tables, channel: str, low: int, high: int) -> list[Fields]:
    """Sorting keeps those of one position in the order in which they were made."""
    found = [row for row in tables["messages"] if row["channel"] == channel and low <= row["position"] < high]
    return sorted(found, key=lambda row: row["position"])


EVERYWHERE = 2**40


def chat_send(tables: Tables, channel: str, position: int, body: str) -> int:
    tables["messages"].append({"channel": channel, "position": position, "body": body})
    return len(messages(tables, channel, 0, position + 1))


def chat_move(tables: Tables, body: str, channel: str, position: int) -> int:
    found = [row for row in tables["messages"] if row["body"] == body]
    for row in found:
        row["channel"], row["position"] = channel, position
    return len(found)


def chat_clear(tables: Tables, channel: str, low: int, high: int) -> int:
    gone = {id(row) for row in messages(tables, channel, low, high)}
    tables["messages"] = [row for row in tables["messages"] if id(row) not in gone]
    return len(messages(tables, channel, 0, EVERYWHERE))


def chat_range(tables: Tables, channel: str, low: int, high: int) -> list[str]:
    return [row["body"] for row in messages(tables, channel, low, high)]


def chat_count(tables: Tables, channel: str, low: int, high: int) -> int:
    return len(messages(tables, channel, low, high))


def chat_last(tables: Tables, channel: str, number: int) -> list[str]:
    return [row["body"] for row in reversed(messages(tables, channel, 0, EVERYWHERE))][:number]


MUTATIONS: dict[str, Callable[..., Any]] = {
    "bank:open": bank_open,
    "bank:transfer": bank_transfer,
    "counters:add": counters_add,
    "counters:bump": counters_bump,
    "names:claim": names_claim,
    "names:release": names_release,
    "chat:send": chat_send,
    "chat:move": chat_move,
    "chat:clear": chat_clear,
}
QUERIES: dict[str, Callable[..., Any]] = {
    "bank:balance": bank_balance,
    "bank:total": bank_total,
    "bank:richest": bank_richest,
    "counters:get": counters_get,
    "names:owner": names_owner,
    "names:owned": names_owned,
    "chat:range": chat_range,
    "chat:count": chat_count,
    "chat:last": chat_last,
}
