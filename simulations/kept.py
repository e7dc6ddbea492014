"""Plans that failed, kept in a folder and run first next time: a bug that was found once is looked for first.

    name: checker-seed.plan        content: an envelope, with the plan in it

The envelope says what can run the plan.  One of another format or another subject is refused; one of other code
is run, because code that was repaired is the reason to run it again, and the difference is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ..protocol import cbor
from ..protocol.errors import InvalidValue
from .checkers.violation import Violation
from .errors import FileRefused, PlanInvalid
from .plan import Plan, from_bytes, require, to_bytes
from .subject import Subject

FOLDER: Final = Path(".relive/simulations")
FORMAT: Final = 1
"""Of the envelope.  What is in it has a version of its own."""
SUFFIX: Final = ".plan"
FILE_BYTES_MAX: Final = 16 * 2**20


@frozen
class Kept:
    file: Path
    plan: Plan
    kind: str
    """Of the violation that it showed."""
    of_this_code: bool
    """Whether the app is the one that it failed with."""


def save(plan: Plan, violation: Violation, subject: Subject, folder: Path) -> Path:
    """Write a plan under a name that says the checker and the seed.  Raises FileRefused."""
    file = folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', violation.checker)}-{plan.seed}{SUFFIX}"
    envelope: Any = {
        "format": FORMAT,
        "subject": subject.name,
        "code": subject.code,
        "kind": violation.kind,
        "plan": to_bytes(plan),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: whoever reads the folder may do so now.
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_bytes(cbor.encode(envelope))
        unfinished.replace(file)
    except OSError as error:
        raise FileRefused(str(file), error.strerror or str(error)) from error
    return file


def load(file: Path, subject: Subject) -> Kept:
    """Raises PlanInvalid, with the file's name."""
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise PlanInvalid(f"it has more than {FILE_BYTES_MAX} bytes")
        return opened(file, file.read_bytes(), subject)
    except OSError as error:
        raise PlanInvalid(f"{file}: {error.strerror or error}") from error
    except PlanInvalid as error:
        raise PlanInvalid(f"{file}: {error.problem}") from error


def opened(file: Path, data: bytes, subject: Subject) -> Kept:
    try:
        tree: Any = cbor.decode(data)
    except InvalidValue as error:
        raise PlanInvalid(str(error)) from error
    require(isinstance(tree, dict), "it is not an object")
    found = tree.get("format")
    require(found == FORMAT, f"it is of format {found}, and this version of relive reads format {FORMAT}")
    require(tree.get("subject") == subject.name, f"it is for {tree.get('subject')!r}, and this is {subject.name!r}")
    require(isinstance(tree.get("plan"), bytes), "there is no plan in it")
    return Kept(file, from_bytes(tree["plan"]), str(tree.get("kind", "")), tree.get("code") == subject.code)


def kept(folder: Path) -> Iterator[Path]:
    """In order of their names."""
    yield from sorted(folder.glob(f"*{SUFFIX}"))
