"""What the names of a module mean to the lint: imports, functions, module-level variables."""

from __future__ import annotations

import ast
import builtins

from attrs import Factory, define

from .lint_rules import HANDLERS, OUTSIDE

Function = ast.FunctionDef | ast.AsyncFunctionDef

_BUILTINS = frozenset(vars(builtins))


@define
class ModuleNames:
    """Filled by ``of``, read-only afterwards."""

    imports: dict[str, str] = Factory(dict)
    """Dotted name of what each imported name stands for, wherever in the module the import is."""
    variables: set[str] = Factory(set)
    functions: dict[str, Function] = Factory(dict)
    """Top-level ones."""

    @classmethod
    def of(cls, tree: ast.Module) -> ModuleNames:
        names = cls()
        for node in ast.walk(tree):
            names._add_imports(node)
        for statement in tree.body:
            if isinstance(statement, Function):
                names.functions[statement.name] = statement
            elif isinstance(statement, ast.Assign):
                names._add_variables(*statement.targets)
            elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
                names._add_variables(statement.target)
        return names

    def _add_imports(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                self.imports[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                self.imports[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def _add_variables(self, *targets: ast.expr) -> None:
        for target in targets:
            if isinstance(target, ast.Name):
                self.variables.add(target.id)
            elif isinstance(target, ast.Tuple | ast.List):
                self._add_variables(*target.elts)

    def dotted(self, expression: ast.expr) -> str:
        """``requests.get`` for a chain of names, aliases resolved; empty for anything else."""
        parts: list[str] = []
        while isinstance(expression, ast.Attribute):
            parts.append(expression.attr)
            expression = expression.value
        if not isinstance(expression, ast.Name):
            return ""
        return ".".join([self._meaning(expression.id), *reversed(parts)])

    def _meaning(self, name: str) -> str:
        if name in self.imports:
            return self.imports[name]
        if name in _BUILTINS and name not in self.variables and name not in self.functions:
            return f"builtins.{name}"
        return name


def kind_of(module: ModuleNames, function: Function) -> str:
    """The decorator that makes it a handler or an action, as in ``query``; empty for a plain function."""
    for decorator in function.decorator_list:
        expression = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = module.dotted(expression).rpartition(".")[2]
        if name in HANDLERS or name in OUTSIDE:
            return name
    return ""
