"""A table has the fingerprint of all that reading it depends on, and none if that is code of the app."""

from __future__ import annotations

from typing import Any

from relive.engine.data.fingerprint import fingerprint
from relive.engine.data.index_fields import table_indexes
from relive.engine.data.schema import Document, Id, Record, field, index
from relive.engine.data.shapes import table_shape


def of(cls: type[Document]) -> bytes:
    shape = table_shape(cls, "")
    return fingerprint(shape, table_indexes(cls, shape))


class Place(Record):
    x: int
    y: int = 0


class Other(Document):
    pass


def test_the_same_declarations_have_the_same_fingerprint_and_each_difference_another() -> None:
    seen: list[bytes] = []
    for fields, by in (
        ({"a": str}, ("a",)),
        ({"a": str}, ()),
        ({"a": int}, ("a",)),
        ({"a": str, "b": str}, ("a",)),
        ({"a": str, "b": str}, ("a", "b")),
        ({"a": str, "b": str}, ("b", "a")),
        ({"a": Id[Other], "b": str}, ("a",)),
        ({"a": str, "b": Place}, ("a",)),
    ):
        one, other = made(fields, by), made(fields, by)
        assert one == other != b""
        seen.append(one)
    seen.append(made({"a": str}, ("a",), a=field(default="x")))
    seen.append(made({"a": str}, ("a",), a=field(default="y")))
    seen.append(made({"a": str}, ("a",), a=field(formerly="old")))
    seen.append(made({"a": str}, ("a",), a=field(name="other")))
    assert len(set(seen)) == len(seen)


def made(hints: dict[str, Any], by: tuple[str, ...], **fields: Any) -> bytes:
    namespace: dict[str, Any] = {"__module__": __name__, "__annotations__": hints}
    namespace |= {name: fields.get(name) or field() for name in hints}
    if by:
        namespace["by"] = index(*[namespace[name] for name in by])
    make: Any = type(Document)
    return of(make("Note", (Document,), namespace))


def test_where_code_of_the_app_makes_a_part_of_a_document_there_is_none() -> None:
    def counted() -> int:
        return 4

    class Checked(Record):
        x: int

        def __post_init__(self) -> None:
            assert self.x

    assert made({"a": list[int]}, (), a=field(default_factory=list))
    assert made({"a": int}, (), a=field(default_factory=counted)) == b""
    assert made({"a": list[Checked]}, ()) == b""
