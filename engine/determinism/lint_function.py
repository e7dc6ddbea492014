"""Reads one function for the lint: remarks about it, and which functions of its module it calls."""

from __future__ import annotations

import ast

from attrs import frozen

from .lint_module import Function, ModuleNames
from .lint_rules import (
    AWAITED,
    CONTAINERS,
    FORBIDDEN_ATTRIBUTES,
    MUTATORS,
    NOTES,
    ORDER_FREE,
    ORDERED,
    why_forbidden,
)

_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
_ARBITRARY_ORDER = "iterates over a set, whose order is arbitrary; use sorted()"
_ONLY_THE_DATABASE = "handlers may change nothing but the database"

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@frozen
class Remark:
    """A finding that does not know its file yet."""

    line: int
    column: int
    """Counted from 0, as ast does."""
    code: str
    level: str
    message: str


def read_function(module: ModuleNames, function: Function) -> tuple[list[Remark], list[str]]:
    """Remarks, and the functions of the module that it calls, in the order of the text."""
    reader = _Reader(module, function)
    reader.read()
    return reader.remarks, reader.calls


class _Reader(ast.NodeVisitor):
    """One pass to learn which names are local, one to judge."""

    def __init__(self, module: ModuleNames, function: Function) -> None:
        self.module = module
        self.function = function
        self.remarks: list[Remark] = []
        self.calls: list[str] = []
        parameters = [*function.args.posonlyargs, *function.args.args]
        self.ctx = parameters[0].arg if parameters else None
        self.locals: set[str] = set()
        self.sets: set[str] = set()
        """Local names that hold a set."""
        self.bare_raises: list[bool] = []
        """For each `except` around the current node: does it raise again?"""

    def read(self) -> None:
        self._learn_names()
        defaults = [*self.function.args.defaults, *self.function.args.kw_defaults]
        for default in defaults:
            if default is not None and self._makes_container(default):
                self.remark(default, "D005", "error", f"a mutable default outlives the call; {_ONLY_THE_DATABASE}")
        for statement in self.function.body:
            self.visit(statement)

    def _learn_names(self) -> None:
        outer: set[str] = set()
        for node in ast.walk(self.function):
            match node:
                case ast.Global(names=names):
                    outer.update(names)
                case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                    self.locals.add(name)
                case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    self.locals.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    if node is not self.function:
                        self.locals.add(name)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and self.is_set(node.value):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self.sets |= {target.id for target in targets if isinstance(target, ast.Name)}
        self.locals -= outer

    def _makes_container(self, expression: ast.expr) -> bool:
        if isinstance(expression, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
            return True
        if not isinstance(expression, ast.Call):
            return False
        return self.module.dotted(expression.func).rpartition(".")[2] in CONTAINERS

    def remark(self, node: ast.expr | ast.stmt | ast.ExceptHandler, code: str, level: str, message: str) -> None:
        self.remarks.append(Remark(node.lineno, node.col_offset, code, level, message))

    def is_set(self, expression: ast.expr) -> bool:
        match expression:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Name(id=name):
                return name in self.sets
            case ast.Call(func=ast.Name(id="set" | "frozenset")):
                return True
            case ast.BinOp(op=operator) if isinstance(operator, _SET_OPERATORS):
                return self.is_set(expression.left) or self.is_set(expression.right)
        return False

    def is_global(self, name: str | None) -> bool:
        if name is None or name in self.locals:
            return False
        return name in self.module.variables or name in self.module.imports or name in self.module.functions

    # Calls

    def visit_Call(self, node: ast.Call) -> None:
        if _root(node.func) not in self.locals:
            self._judge_callee(node, self.module.dotted(node.func))
        if isinstance(node.func, ast.Attribute):
            self._judge_method(node, node.func)
        if isinstance(node.func, ast.Name) and node.func.id not in self.locals:
            if node.func.id in ORDERED and any(self.is_set(argument) for argument in node.args):
                message = f"`{node.func.id}()` of a set has an arbitrary order; use sorted()"
                self.remark(node, "D004", "warning", message)
            if node.func.id in ORDER_FREE:
                self._visit_order_free(node)
                return
        self.generic_visit(node)

    def _judge_callee(self, node: ast.Call, dotted: str) -> None:
        if not dotted:
            return
        reason = why_forbidden(dotted)
        shown = dotted.removeprefix("builtins.")
        if reason is not None:
            self.remark(node, "D001", "error", f"`{shown}()` {reason}")
        elif dotted in NOTES:
            self.remark(node, "D008", "note", f"`{shown}()` {NOTES[dotted]}")
        elif dotted == "builtins.hash":
            self.remark(node, "D006", "warning", "`hash()` of text differs between deployments; use hashlib")
        elif dotted in self.module.functions:
            self.calls.append(dotted)

    def _judge_method(self, node: ast.Call, method: ast.Attribute) -> None:
        root = _root(method.value)
        if method.attr in MUTATORS and root in self.module.variables and root not in self.locals:
            changed = f"`{ast.unparse(method)}()` changes a module-level object"
            self.remark(node, "D005", "error", f"{changed}; {_ONLY_THE_DATABASE}")
        if method.attr == "pop" and not node.args and self.is_set(method.value):
            self.remark(node, "D004", "warning", "set.pop() takes an arbitrary element; use min() or sorted()")
        if method.attr == "join" and node.args and self.is_set(node.args[0]):
            self.remark(node, "D004", "warning", "joins a set in arbitrary order; use sorted()")

    def _visit_order_free(self, node: ast.Call) -> None:
        """``sum(x for x in some_set)`` is as good as ``sum(some_set)``."""
        for argument in node.args:
            if isinstance(argument, ast.GeneratorExp | ast.ListComp | ast.SetComp):
                self._visit_comprehension(argument, judge_order=False)
            else:
                self.visit(argument)
        for keyword in node.keywords:
            self.visit(keyword.value)

    # Order of sets

    def _visit_comprehension(self, node: Comprehension, judge_order: bool) -> None:
        for generator in node.generators:
            if judge_order and self.is_set(generator.iter):
                self.remark(generator.iter, "D004", "warning", _ARBITRARY_ORDER)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        if self.is_set(node.iter):
            self.remark(node.iter, "D004", "warning", _ARBITRARY_ORDER)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._visit_comprehension(node, judge_order=True)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._visit_comprehension(node, judge_order=True)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._visit_comprehension(node, judge_order=True)

    # Things forgotten

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value
        if isinstance(call, ast.Call):
            chain = _chain(call.func)
            if len(chain) > 1 and chain[0] == self.ctx and chain[1] in AWAITED:
                self.remark(node, "D003", "error", f"`{'.'.join(chain)}()` is not awaited, so it does nothing")
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.bare_raises.append(False)
        self.generic_visit(node)
        raises_again = self.bare_raises.pop()
        if self._catches_everything(node.type) and not raises_again:
            message = "catches BaseException and does not raise it again; the transaction still fails, less clearly"
            self.remark(node, "D007", "warning", f"{message}. Catch Exception")

    def _catches_everything(self, caught: ast.expr | None) -> bool:
        if caught is None:
            return True
        classes = caught.elts if isinstance(caught, ast.Tuple) else [caught]
        return any(self.module.dotted(cls) == "builtins.BaseException" for cls in classes)

    def visit_Raise(self, node: ast.Raise) -> None:
        if node.exc is None:
            self.bare_raises = [True] * len(self.bare_raises)
        self.generic_visit(node)

    # State that outlives the call

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if _root(node) not in self.locals and (dotted := self.module.dotted(node)) in FORBIDDEN_ATTRIBUTES:
            remedy = 'use ctx.env["NAME"]' if dotted.startswith("os.") else "read it at module load"
            self.remark(node, "D001", "error", f"`{dotted}` is not part of the database: {remedy}")
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self.remark(node, "D005", "error", f"`global {', '.join(node.names)}`: {_ONLY_THE_DATABASE}")

    def visit_Assign(self, node: ast.Assign) -> None:
        self._judge_targets(node, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._judge_targets(node, [node.target])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._judge_targets(node, [node.target])

    def visit_Delete(self, node: ast.Delete) -> None:
        self._judge_targets(node, node.targets)

    def _judge_targets(self, node: ast.stmt, targets: list[ast.expr]) -> None:
        for target in targets:
            if isinstance(target, ast.Subscript | ast.Attribute) and self.is_global(_root(target)):
                outlives = f"assigns to `{ast.unparse(target)}`, which outlives the call"
                self.remark(node, "D005", "error", f"{outlives}; {_ONLY_THE_DATABASE}")
        self.generic_visit(node)


def _root(expression: ast.expr) -> str | None:
    """The name at the start of ``name.a[b]().c``."""
    while isinstance(expression, ast.Attribute | ast.Subscript | ast.Call):
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression.id if isinstance(expression, ast.Name) else None


def _chain(expression: ast.expr) -> list[str]:
    """``["ctx", "db", "insert"]`` for ``ctx.db.insert``; calls and subscripts between are left out."""
    parts: list[str] = []
    while isinstance(expression, ast.Attribute | ast.Subscript | ast.Call):
        if isinstance(expression, ast.Attribute):
            parts.append(expression.attr)
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    if isinstance(expression, ast.Name):
        parts.append(expression.id)
    return parts[::-1]
