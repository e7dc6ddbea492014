"""Plans with one value smaller: a pause, a time, an amount, an argument.

Smaller is 0 before half, half before one less; a text is smaller if the plan has it for the same argument
already, earlier in the alphabet; a list is smaller by one of its items.

Invariant: whatever is smaller again and again comes to an end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from .plan import Operation, Plan

Texts = dict[str, tuple[str, ...]]
"""By the name of an argument: those that the plan has for it, sorted."""


def smaller(plan: Plan) -> Iterator[Plan]:
    """Each differs from ``plan`` in one value."""
    for number, fault in enumerate(plan.faults):
        changed = [
            *(evolve(fault, amount=amount) for amount in smaller_numbers(fault.amount)),
            *(evolve(fault, at_ms=at_ms) for at_ms in smaller_numbers(fault.at_ms)),
        ]
        for each in changed:
            yield evolve(plan, faults=replaced(plan.faults, number, each))
    texts = texts_of(plan)
    for number, client in enumerate(plan.clients):
        for position, operation in enumerate(client):
            for other in smaller_operations(operation, texts):
                operations = replaced(client, position, other)
                yield evolve(plan, clients=replaced(plan.clients, number, operations))


def smaller_operations(operation: Operation, texts: Texts) -> Iterator[Operation]:
    for pause_ms in smaller_numbers(operation.pause_ms):
        yield evolve(operation, pause_ms=pause_ms)
    for name, value in operation.args.items():
        for other in smaller_values(name, value, texts):
            yield evolve(operation, args={**operation.args, name: other})


def smaller_values(name: str, value: Any, texts: Texts) -> Iterator[Any]:
    match value:
        case bool():
            if value:
                yield False
        case int():
            yield from smaller_numbers(value)
        case float():
            yield from (float(each) for each in smaller_numbers(int(value)) if each != value)
        case str():
            yield from (text for text in texts.get(name, ()) if (len(text), text) < (len(value), value))
        case list():
            yield from ([*value[:position], *value[position + 1 :]] for position in range(len(value)))
            for position, item in enumerate(value):
                for other in smaller_values(name, item, texts):
                    yield [*value[:position], other, *value[position + 1 :]]
        case dict():
            for key, item in value.items():
                for other in smaller_values(key, item, texts):
                    yield {**value, key: other}


def smaller_numbers(number: int) -> Iterator[int]:
    """Nearer to 0, the nearest first; of a negative number, its positive twin, too."""
    if number < 0:
        yield -number
    for other in dict.fromkeys((0, number // 2 if number > 0 else -(-number // 2), number - (number > 0))):
        if abs(other) < abs(number):
            yield other


def texts_of(plan: Plan) -> Texts:
    found: dict[str, set[str]] = {}

    def look(name: str, value: Any) -> None:
        if isinstance(value, str):
            found.setdefault(name, set()).add(value)
        elif isinstance(value, list):
            for item in value:
                look(name, item)
        elif isinstance(value, dict):
            for key, item in value.items():
                look(key, item)

    for client in plan.clients:
        for operation in client:
            look("", operation.args)
    return {name: tuple(sorted(texts, key=lambda text: (len(text), text))) for name, texts in found.items()}


def replaced(items: tuple[Any, ...], position: int, item: Any) -> tuple[Any, ...]:
    return (*items[:position], item, *items[position + 1 :])
