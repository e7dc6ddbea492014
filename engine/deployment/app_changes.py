"""What one version of an app has that another has not: shown before and after a deploy.

Invariant: both versions are described by what the log records of them (`spec`), so what is shown as
changed is what clients and stored documents can notice, and the modules whose text is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from attrs import frozen

from ...protocol import json
from ..application.app import App
from ..application.spec import functions_spec, tables_spec

DIGEST_BYTES = 6
ARGS_CHARS_MAX = 200
"""Of a cron; longer ones are cut off, and told apart by a hash."""


@frozen
class Difference:
    """Between two mappings of one kind of thing, by name, each with how it looks to a reader."""

    added: Mapping[str, str]
    removed: Mapping[str, str]
    changed: Mapping[str, tuple[str, str]]
    """Before and after."""

    @classmethod
    def of(cls, before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
        return cls(
            {name: look for name, look in after.items() if name not in before},
            {name: look for name, look in before.items() if name not in after},
            {name: (before[name], look) for name, look in after.items() if name in before and before[name] != look},
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def record(self) -> dict[str, Any]:
        return {
            "added": [{"name": name, "is": look} for name, look in self.added.items()],
            "removed": [{"name": name, "was": look} for name, look in self.removed.items()],
            "changed": [{"name": name, "was": was, "is": look} for name, (was, look) in self.changed.items()],
        }


@frozen
class AppChanges:
    tables: Difference
    """Only by name: how documents have to look is checked, not shown."""
    indexes: Difference
    """By ``table.index``; one with its fields in another order is another index."""
    functions: Difference
    """By path; what they are, such as ``query`` or ``internal mutation``."""
    crons: Difference
    """By name: when they run, what, and with which arguments."""
    modules: Difference

    @classmethod
    def between(cls, before: App, after: App) -> AppChanges:
        return cls(
            Difference.of(tables_of(before), tables_of(after)),
            Difference.of(indexes_of(before), indexes_of(after)),
            Difference.of(functions_of(before), functions_of(after)),
            Difference.of(crons_of(before), crons_of(after)),
            Difference.of(modules_of(before), modules_of(after)),
        )

    def record(self) -> dict[str, Any]:
        """As JSON, for clients."""
        return {
            "tables": self.tables.record(),
            "indexes": self.indexes.record(),
            "functions": self.functions.record(),
            "crons": self.crons.record(),
            "modules": self.modules.record(),
        }


def tables_of(app: App) -> dict[str, str]:
    return dict.fromkeys(sorted(app.tables), "")


def indexes_of(app: App) -> dict[str, str]:
    found = {}
    for table in tables_spec(app):
        spec: Any = table
        for index in spec["indexes"]:
            found[f"{spec['name']}.{index['name']}"] = index_look(index)
        for index in spec.get("searchIndexes", ()):
            found[f"{spec['name']}.{index['name']}"] = text_index_look(index)
        for index in spec.get("vectorIndexes", ()):
            found[f"{spec['name']}.{index['name']}"] = vector_index_look(index)
    return found


def index_look(index: Mapping[str, Any]) -> str:
    """The fields in their order, and whatever else is said of the index."""
    more = [name for name, value in index.items() if name not in ("name", "fields") and value]
    return " ".join([f"({', '.join(map(str, index['fields']))})", *more])


def text_index_look(index: Mapping[str, Any]) -> str:
    filters = f" with ({', '.join(map(str, index['filterFields']))})" if index["filterFields"] else ""
    return f"words of {index['searchField']}{filters}{' staged' if index['staged'] else ''}"


def vector_index_look(index: Mapping[str, Any]) -> str:
    filters = f" with ({', '.join(map(str, index['filterFields']))})" if index["filterFields"] else ""
    return f"{index['dimensions']:.0f} dimensions of {index['vectorField']}{filters}"


def functions_of(app: App) -> dict[str, str]:
    found = {}
    for function in functions_spec(app):
        spec: Any = function
        kind = str(spec["functionType"]).lower()
        internal = spec["visibility"]["kind"] == "internal"
        found[str(spec["identifier"]).replace(".js:", ":")] = f"internal {kind}" if internal else kind
    return found


def crons_of(app: App) -> dict[str, str]:
    found = {}
    for name, cron in sorted(app.crons.items()):
        args = json.encode(cron.args).decode() if cron.args else ""
        if len(args) > ARGS_CHARS_MAX:
            args = f"{args[:ARGS_CHARS_MAX]}... {blake2b(args.encode(), digest_size=DIGEST_BYTES).hexdigest()}"
        found[name] = f"{cron.schedule.text}: {cron.path} {args}".rstrip()
    return found


def modules_of(app: App) -> dict[str, str]:
    """By file, with a hash of the text."""
    return {
        f"{name}.py": blake2b(text, digest_size=DIGEST_BYTES).hexdigest()
        for name, text in sorted(app.bundle.source.items())
    }
