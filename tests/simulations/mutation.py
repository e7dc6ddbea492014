"""Mutants: a module of the product with one small thing changed, as a hasty edit would.

    source ──> mutants_of ──> Mutant: the key, and the changed tree ──> installed ──> imported in its place

A mutant is known by module, function, what was changed and the text of it, not by its line: the key stays the
same when something else in the file changes.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Final

from attrs import define, frozen

CHECKOUT = Path(__file__).resolve().parents[2]

FLIPPED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
SHIFTED: Final[dict[type[ast.operator], type[ast.operator]]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}
REMOVABLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.Delete, ast.Raise, ast.Continue, ast.Break)


@frozen(eq=False)
class Mutant:
    module: str
    """As it is imported."""
    key: str
    """``log.gate Gate.release: flip: lsn <= durable``"""
    code: ast.Module


@frozen(eq=False)
class Change:
    what: str
    node: ast.AST
    """Of a copy of the tree, to be changed in place."""
    tree: ast.Module


class Visitor(ast.NodeVisitor):
    """Finds what can be changed, with the function that it is in, in the order of the source."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.found: list[tuple[str, ast.AST]] = []

    def generic_visit(self, node: ast.AST) -> None:
        if self.names and not isinstance(node, ast.Assert):
            self.found.append((".".join(self.names), node))
        if isinstance(node, ast.Assert):
            return  # An assert that is weaker is no bug of the product, and one that is stronger is found at once.
        is_named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if is_named:
            self.names.append(node.name)  # type: ignore[attr-defined]
            for statement in node.body:  # type: ignore[attr-defined]
                self.visit(statement)
            self.names.pop()
        else:
            super().generic_visit(node)


def visited(tree: ast.Module) -> list[tuple[str, ast.AST]]:
    visitor = Visitor()
    visitor.visit(tree)
    return visitor.found


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """All of a module, in the order of its source."""
    original = ast.parse(source)
    seen: Counter[str] = Counter()
    for position, (name, node) in enumerate(visited(original)):
        for variant, what in enumerate(changes(node)):
            tree = deepcopy(original)
            _, target = visited(tree)[position]
            text = " ".join(ast.unparse(node).split())[:100]
            change(tree, target, variant)
            key = f"{module.removeprefix('relive.')} {name}: {what}: {text}"
            seen[key] += 1
            yield Mutant(module, key if seen[key] == 1 else f"{key} #{seen[key]}", ast.fix_missing_locations(tree))


def changes(node: ast.AST) -> Sequence[str]:
    """What can be done to a node."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in FLIPPED:
            return ("flip",)
        case ast.BoolOp():
            return ("and or",)
        case ast.UnaryOp(op=ast.Not()):
            return ("without not",)
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, ast.Compare | ast.UnaryOp):
            return ("negate",)
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return ("shift",)
        case ast.Constant(value=bool()):
            return ("swap",)
        case ast.Constant(value=int()):
            return ("one more",)
        case ast.Expr(value=ast.Constant()):
            return ()  # A docstring.
        case _ if isinstance(node, REMOVABLE):
            return ("remove",)
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant):
            return ("return None",)
    return ()


def change(tree: ast.Module, node: ast.AST, variant: int) -> None:
    """Do it, in place."""
    assert variant == 0
    match node:
        case ast.Compare():
            node.ops = [FLIPPED[type(node.ops[0])]()]
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.UnaryOp():
            put(tree, node, node.operand)
        case ast.If() | ast.While() | ast.IfExp():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.BinOp():
            node.op = SHIFTED[type(node.op)]()
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant():
            assert isinstance(node.value, int)
            node.value += 1
        case ast.Return():
            node.value = ast.Constant(None)
        case _:
            put(tree, node, ast.Pass())


def put(tree: ast.Module, old: ast.AST, new: ast.AST) -> None:
    """One node in the place of another."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return
            if isinstance(value, list) and any(each is old for each in value):
                setattr(parent, name, [new if each is old else each for each in value])
                return
    raise AssertionError("it is not in the tree")


def source_of(module: str) -> str:
    """As it stands in the checkout; nothing is imported for it."""
    return CHECKOUT.joinpath(*module.removeprefix("relive.").split(".")).with_suffix(".py").read_text("utf-8")


@define(eq=False)
class MutantFinder(MetaPathFinder, Loader):
    """Imports the mutant where the module is asked for.  It must be there before anybody imports the module."""

    mutant: Mutant

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname == self.mutant.module else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.mutant.code, f"<mutant {self.mutant.key}>", "exec"), module.__dict__)


def install(mutant: Mutant) -> None:
    assert mutant.module not in sys.modules, mutant.module
    sys.meta_path.insert(0, MutantFinder(mutant))
