"""``api.d.ts``: a literal tree of function references, folders and modules being its branches."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

from ..application.endpoint import Endpoint
from .types import Side, TypeWriter, quoted

IMPORTS = """\
import type { FunctionReference } from "convex/server";
import type { GenericId as Id } from "convex/values";
"""
RESERVED = frozenset({"FunctionReference", "Id", "api", "internal", "components", "Array", "ArrayBuffer", "Record"})
INDENT = "  "


Tree = dict[str, "Tree | Endpoint"]
"""By name: a function, or a module or folder that holds more."""


def api_types(endpoints: Iterable[Endpoint]) -> str:
    """The declarations of ``api`` and ``internal``."""
    public: Tree = {}
    internal: Tree = {}
    for endpoint in endpoints:
        if endpoint.kind == "migration":
            continue  # Nobody calls it.
        add(endpoint, public if endpoint.public else internal)
    writer = TypeWriter("Id", RESERVED)
    trees = [
        f"export declare const api: {tree_type(public, writer)};\n",
        f"export declare const internal: {tree_type(internal, writer)};\n",
        "export declare const components: {};\n",
    ]
    named = [f"type {name} = {members};\n" for name, members in writer.declarations.items()]
    return IMPORTS + "\n" + "".join([*named, "\n"] if named else []) + "".join(trees)


def add(endpoint: Endpoint, tree: Tree) -> None:
    module, _, function = endpoint.path.rpartition(":")
    for name in module.split("/"):
        inner = tree.setdefault(name, {})
        # Python has no module that is both a file and a folder, so no function is in the way.
        assert isinstance(inner, dict), endpoint.path
        tree = inner
    tree[function] = endpoint


def tree_type(tree: Tree, writer: TypeWriter, depth: int = 0) -> str:
    if not tree:
        return "{}"
    lines = [line for name, inner in sorted(tree.items()) for line in member(name, inner, writer, depth + 1)]
    return "\n".join(["{", *lines, INDENT * depth + "}"])


def member(name: str, inner: Tree | Endpoint, writer: TypeWriter, depth: int) -> Iterator[str]:
    indent = INDENT * depth
    if isinstance(inner, Endpoint):
        yield from (indent + line for line in comment(inner))
        yield f"{indent}{quoted(name)}: {reference(inner, writer)};"
    else:
        yield f"{indent}{quoted(name)}: {tree_type(inner, writer, depth)};"


def reference(endpoint: Endpoint, writer: TypeWriter) -> str:
    visibility = "public" if endpoint.public else "internal"
    arguments = writer.members(endpoint.arguments.fields, Side.CLIENT)
    result = writer.type_of(endpoint.returns, Side.SERVER)
    return f'FunctionReference<"{endpoint.kind}", "{visibility}", {arguments}, {result}>'


def comment(endpoint: Endpoint) -> list[str]:
    """The function's docstring, for editors to show."""
    text = inspect.cleandoc(endpoint.function.__doc__ or "").replace("*/", "*\\/")
    if not text:
        return []
    lines = text.split("\n")
    if len(lines) == 1:
        return [f"/** {text} */"]
    return ["/**", *(f" * {line}".rstrip() for line in lines), " */"]
