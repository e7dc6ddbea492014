"""Results whose very type is what was declared are not looked at again; all others are."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from relive.engine.application.endpoint import plain_type
from relive.engine.data.schema import Document, Id
from relive.engine.data.shapes import shape_of


class Row(Document):
    name: str


@pytest.mark.parametrize(("hint", "expected"), [(str, str), (bool, bool), (bytes, bytes), (type(None), type(None))])
def test_what_has_nothing_inside_is_as_declared_by_its_type(hint: Any, expected: type) -> None:
    assert plain_type(shape_of(hint, "here"), hint) is expected


def test_an_id_is_text() -> None:
    assert plain_type(shape_of(Id[Row], "here"), Id[Row]) is str


@pytest.mark.parametrize(
    "hint", [int, float, list[str], str | None, Any, Row, Annotated[str, msgspec.Meta(max_length=3)]]
)
def test_what_can_be_more_than_its_type_says_is_looked_at(hint: Any) -> None:
    assert plain_type(shape_of(hint, "here"), hint) is None
