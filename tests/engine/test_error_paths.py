"""The path of an error says which key of a record, not only that it is one of them."""

from __future__ import annotations

from typing import Any

import pytest
from relive.engine.data.documents import convert
from relive.engine.data.schema import Record
from relive.protocol.errors import InvalidValue
from relive.protocol.values import Value


class Inner(Record):
    scores: dict[str, list[int]]


class Outer(Record):
    inner: list[Inner]
    names: dict[str, dict[str, str]]


FINE: dict[str, Value] = {"inner": [{"scores": {"a": [1]}}], "names": {}}


@pytest.mark.parametrize(
    ("hint", "value", "path"),
    [
        (dict[str, int], {"a": 1, "b": "x"}, "$.b"),
        (dict[str, list[int]], {"x": [1], "odd name": [1, 2, "bad"]}, "$['odd name'][2]"),
        (Outer, FINE | {"inner": [{"scores": {}}, {"scores": {"a": [1], "b": [1, None]}}]}, "$.inner[1].scores.b[1]"),
        (Outer, FINE | {"names": {"x": {"y": "z"}, "u": {"v": "w", "q": 3}}}, "$.names.u.q"),
    ],
)
def test_the_key_of_a_record_is_in_the_path(hint: Any, value: Value, path: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        convert(value, hint, strict=True)

    assert caught.value.path == path
