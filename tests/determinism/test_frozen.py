"""Module-level state is read-only inside handlers and ordinary everywhere else."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from types import ModuleType

import msgspec
import pytest
from relive.engine.determinism import frozen
from relive.engine.determinism.errors import DeterminismViolation
from relive.engine.determinism.sealed_types import SEALED

from .conftest import FOLDER, Call

SOURCE = """
from collections import Counter, OrderedDict, defaultdict, deque

CACHE = {"old": 1}
NESTED = {"lists": [[1], [2]]}
LIST = [1]
SET = {1}
DEQUE = deque([1], maxlen=3)
DEFAULT = defaultdict(list)
ORDERED = OrderedDict(a=1)
COUNTER = Counter("a")
BYTES = bytearray(b"x")
NUMBER = 0
SHARED = []
HOLDER = (SHARED,)

def count():
    global NUMBER
    NUMBER += 1

class Thing:
    def rename(self):
        global NAME
        NAME = "x"

def remember(key):
    CACHE[key] = 1
"""


class Made:
    """A user module, sealed."""

    def __init__(self, name: str, source: str) -> None:
        self.module = ModuleType(name)
        self.module.__file__ = str(FOLDER / f"{name}.py")
        sys.modules[name] = self.module
        exec(compile(source, self.module.__file__, "exec"), vars(self.module))

    def __getattr__(self, name: str) -> object:
        return vars(self.module)[name]


@pytest.fixture
def made() -> Iterator[Made]:
    made = Made("sealed_by_the_tests", SOURCE)
    frozen.seal(made.module)
    yield made
    del sys.modules["sealed_by_the_tests"]


CHANGES: dict[str, Callable[[ModuleType], object]] = {
    "dict item": lambda user: user.CACHE.__setitem__("x", 1),
    "dict update": lambda user: user.CACHE.update(x=1),
    "dict setdefault": lambda user: user.CACHE.setdefault("x", 1),
    "dict pop": lambda user: user.CACHE.pop("old"),
    "nested list": lambda user: user.NESTED["lists"][0].append(1),
    "list append": lambda user: user.LIST.append(2),
    "list sort": lambda user: user.LIST.sort(),
    "set add": lambda user: user.SET.add(2),
    "deque append": lambda user: user.DEQUE.append(2),
    "deque rotate": lambda user: user.DEQUE.rotate(),
    "default by reading": lambda user: user.DEFAULT["missing"],
    "ordered dict": lambda user: user.ORDERED.move_to_end("a"),
    "counter": lambda user: user.COUNTER.update("b"),
    "bytearray": lambda user: user.BYTES.append(1),
    "module variable": lambda user: setattr(user, "NUMBER", 5),
    "deleted variable": lambda user: delattr(user, "NUMBER"),
    "through a function": lambda user: user.remember("x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_is_possible_inside_a_handler(made: Made, call: Call, change: str) -> None:
    before = repr(vars(made.module).get("CACHE"))

    with pytest.raises(DeterminismViolation, match=r"changing a module-level|(assigning|deleting) sealed_by_the_tests"):
        call(lambda: CHANGES[change](made.module))
    assert repr(vars(made.module).get("CACHE")) == before


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_possible_outside(made: Made, change: str) -> None:
    CHANGES[change](made.module)


def test_a_refused_change_names_the_remedy(made: Made, call: Call) -> None:
    with pytest.raises(DeterminismViolation, match="Keep the value in a table"):
        call(lambda: CHANGES["dict item"](made.module))


def test_reading_and_changing_a_copy_is_allowed(made: Made, call: Call) -> None:
    def copies() -> list[object]:
        user = made.module
        found: list[object] = [dict(user.CACHE), len(user.LIST), 1 in user.SET]
        for name in ("CACHE", "LIST", "SET", "DEQUE", "DEFAULT", "ORDERED", "COUNTER", "BYTES"):
            for duplicate in (getattr(user, name).copy(), copy.copy(getattr(user, name))):
                duplicate.clear()
            copy.deepcopy(getattr(user, name)).clear()
        (user.DEQUE + user.DEQUE).clear()
        (user.DEQUE * 2).clear()
        (user.SET | {2}).add(3)
        (user.LIST + user.LIST).append(3)
        return found

    assert call(copies) == [{"old": 1}, 1, True]


@pytest.mark.parametrize("base", SEALED)
def test_a_sealed_container_looks_like_an_ordinary_one(base: type) -> None:
    sealed = SEALED[base]()

    assert isinstance(sealed, base)
    assert sealed == base()
    assert repr(sealed) == repr(base())
    assert type(pickle.loads(pickle.dumps(sealed))) is base


def test_copies_keep_default_factory_and_length() -> None:
    lists = SEALED[defaultdict](list, {"a": [1]})
    last = SEALED[deque]([1, 2, 3], 2)

    assert lists.copy().default_factory is list
    assert copy.copy(last).maxlen == 2
    assert [type(value) for value in (lists.copy(), last.copy())] == [defaultdict, deque]
    assert Counter(SEALED[Counter]("aab")) == {"a": 2, "b": 1}
    assert OrderedDict(SEALED[OrderedDict](a=1)) == {"a": 1}


def test_codecs_treat_sealed_containers_as_ordinary(made: Made) -> None:
    assert json.dumps(made.NESTED) == '{"lists": [[1], [2]]}'
    assert msgspec.json.encode(made.NESTED) == b'{"lists":[[1],[2]]}'


def test_what_somebody_else_holds_too_is_left_in_one_piece(made: Made) -> None:
    made.module.SHARED.append(1)

    assert made.module.HOLDER == ([1],)


def test_a_container_imported_by_another_user_module_stays_one() -> None:
    first = Made("sealed_first", "CACHE = {}")
    second = Made("sealed_second", "from sealed_first import CACHE")

    frozen.seal(first.module)
    frozen.seal(second.module)

    assert first.CACHE is second.CACHE
    assert type(first.CACHE) is SEALED[dict]
    del sys.modules["sealed_first"], sys.modules["sealed_second"]


def test_functions_that_assign_globals_are_reported() -> None:
    made = Made("sealed_reported", SOURCE)

    complaints = frozen.seal(made.module)

    file = made.module.__file__
    assert complaints == [
        f"{file}:19: count assigns the global `NUMBER`",
        f"{file}:24: Thing.rename assigns the global `NAME`",
    ]
    assert frozen.seal(made.module) == complaints
    del sys.modules["sealed_reported"]
