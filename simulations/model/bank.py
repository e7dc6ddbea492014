"""Accounts."""

from __future__ import annotations

from .rows import Refusal, Row, Tables

ACCOUNTS = "accounts"


def open(tables: Tables, name: str, amount: int) -> bool:
    if tables.first(ACCOUNTS, name=name) is not None:
        return False
    tables.insert(ACCOUNTS, name=name, amount=amount)
    return True


def transfer(tables: Tables, source: str, target: str, amount: int) -> list[int]:
    giver, taker = tables.first(ACCOUNTS, name=source), tables.first(ACCOUNTS, name=target)
    if giver is None or taker is None or giver["amount"] < amount:
        raise Refusal
    left: int = giver["amount"] - amount
    tables.patch(ACCOUNTS, giver, amount=left)
    again = tables.first(ACCOUNTS, name=target)
    assert again is not None
    more: int = again["amount"] + amount
    tables.patch(ACCOUNTS, again, amount=more)
    return [left, more]


def balance(tables: Tables, name: str) -> int | None:
    account = tables.first(ACCOUNTS, name=name)
    return None if account is None else account["amount"]


def total(tables: Tables) -> int:
    return sum(row["amount"] for row in tables.rows(ACCOUNTS))


def richest(tables: Tables, names: list[str]) -> str | None:
    best: Row | None = None
    for name in names:
        account = tables.first(ACCOUNTS, name=name)
        if account is None:
            break
        if best is None or account["amount"] > best["amount"]:
            best = account
    return None if best is None else best["name"]
