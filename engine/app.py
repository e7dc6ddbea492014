"""An app, loaded: its bundle, its tables, its functions.

    folder ──> Bundle ──> lint ──> import ──> seal ──> tables and endpoints ──> App

Loading changes nothing that is being served: an app that does not load is refused whole.
"""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from attrs import define, field, frozen

from ..protocol import paths
from ..protocol.errors import InvalidPath
from .bundle import Bundle, BundleImporter, package_name, read_bundle
from .determinism import driver, lint
from .determinism import frozen as frozen_state
from .endpoint import Endpoint, endpoint_of
from .errors import AppInvalid
from .functions import AnyFunction, Function
from .indexes import INDEXES_PER_TABLE_MAX
from .schema import Document
from .shapes import ObjectOf, check_supported, object_shape

logger = logging.getLogger("relive")


@frozen(eq=False)
class TableClass:
    """A table that the app defines."""

    name: str
    cls: type[Document]
    shape: ObjectOf


@define(eq=False)
class App:
    name: str
    bundle: Bundle
    code: bytes
    """The bundle's hash."""
    tables: Mapping[str, TableClass]
    endpoints: Mapping[str, Endpoint]
    """By path, ``folder/module:function``."""
    warnings: tuple[str, ...] = ()
    by_function: dict[AnyFunction, Endpoint] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.by_function = {endpoint.function: endpoint for endpoint in self.endpoints.values()}

    def endpoint_of(self, function: object) -> Endpoint | None:
        """Of a decorated function; None if it is none of this app."""
        return self.by_function.get(function) if isinstance(function, Function) else None


def load_app(folder: Path) -> App:
    """Load the app of a folder.  Raises AppInvalid with file, line and remedy."""
    bundle = read_bundle(folder)
    warnings = check_source(bundle)
    package = package_name(folder)
    driver.add_root(str(bundle.folder))
    with imported(package, bundle) as modules:
        for module in modules.values():
            for complaint in frozen_state.seal(module):
                raise AppInvalid(complaint, "handlers may change nothing but the database")
        return App(
            bundle.folder.name,
            bundle,
            bundle.hash,
            {table.name: table for table in find_tables(modules)},
            {endpoint.path: endpoint for endpoint in find_endpoints(modules)},
            tuple(warnings),
        )


def check_source(bundle: Bundle) -> list[str]:
    """Lint every module; the warnings.  Raises AppInvalid with all errors."""
    findings = []
    for name, source in bundle.source.items():
        filename = str(bundle.folder / f"{name}.py")
        try:
            findings += lint.check(source.decode(), filename)
        except SyntaxError as error:
            raise AppInvalid(f'File "{filename}", line {error.lineno}', error.msg) from None
        except ValueError as error:
            raise AppInvalid(filename, f"not UTF-8 text: {error}") from None
    errors = [str(finding) for finding in findings if finding.level == "error"]
    if errors:
        raise AppInvalid(str(bundle.folder), "functions that could not be replayed:\n  " + "\n  ".join(errors))
    return [str(finding) for finding in findings if finding.level == "warning"]


@contextmanager
def imported(package: str, bundle: Bundle) -> Iterator[dict[str, ModuleType]]:
    """Every module of the bundle, by ``folder/module``; after an error inside, none of them is left."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == package}
    importer = BundleImporter(package, bundle)
    importer.install()
    try:
        yield import_modules(package, bundle)
    except BaseException:
        restore(importer, before)
        raise


def import_modules(package: str, bundle: Bundle) -> dict[str, ModuleType]:
    try:
        return {
            name: importlib.import_module(f"{package}.{name.replace('/', '.')}".removesuffix(".__init__"))
            for name in bundle.source
        }
    except AppInvalid:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # A module may raise anything; it is refused, and the server goes on.
        raise AppInvalid(where_of(error, bundle), f"{type(error).__name__}: {error}") from error


def restore(importer: BundleImporter, modules: Mapping[str, ModuleType]) -> None:
    """A version that does not load leaves the last good one importable."""
    importer.uninstall()
    sys.meta_path.remove(importer)
    sys.modules.update(modules)
    for module in modules.values():
        loader = module.__spec__.loader if module.__spec__ is not None else None
        if isinstance(loader, BundleImporter) and loader not in sys.meta_path:
            sys.meta_path.insert(0, loader)


def where_of(error: BaseException, bundle: Bundle) -> str:
    """The innermost line of the app in a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(bundle.folder)]
    if not own:
        return str(bundle.folder)
    return f'File "{own[-1].filename}", line {own[-1].lineno}, in {own[-1].name}'


def find_tables(modules: Mapping[str, ModuleType]) -> Iterator[TableClass]:
    names: dict[str, type[Document]] = {}
    own = {module.__name__ for module in modules.values()}
    for module in modules.values():
        for value in list(vars(module).values()):
            if not (isinstance(value, type) and issubclass(value, Document)) or value.__module__ not in own:
                continue
            name: str = value.__table__
            if names.get(name) is value:
                continue
            check_table(name, value, names.get(name))
            names[name] = value
            shape = object_shape(value, value.__name__)
            check_supported(value, class_name(value))
            yield TableClass(name, value, shape)


def check_table(name: str, cls: type[Document], other: type[Document] | None) -> None:
    where = class_name(cls)
    if other is not None:
        raise AppInvalid(where, f'table "{name}" is defined by {class_name(other)} already')
    if not name.isidentifier() or not name.isascii() or name.startswith("_") or len(name) > 64:
        raise AppInvalid(where, f'"{name}" cannot name a table: use letters, digits and _, not _ first')
    if len(cls.__indexes__) > INDEXES_PER_TABLE_MAX:
        raise AppInvalid(where, f"a table has at most {INDEXES_PER_TABLE_MAX} indexes")
    for field in cls.__struct_encode_fields__:
        if field.startswith(("_", "$")) and field not in ("_id", "_creationTime"):
            raise AppInvalid(where, f"field `{field}`: names that begin with _ or $ belong to the system")


def class_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__name__}"


def find_endpoints(modules: Mapping[str, ModuleType]) -> Iterator[Endpoint]:
    for name, module in modules.items():
        for attribute, value in list(vars(module).items()):
            if isinstance(value, Function) and value.__module__ == module.__name__:
                path = f"{name}:{attribute}"
                try:
                    yield endpoint_of(str(paths.parse(path)), value)
                except InvalidPath as error:
                    raise AppInvalid(str(module.__file__), str(error)) from None
