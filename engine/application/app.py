"""An app, loaded: its bundle, its tables, its functions.

    Bundle ──> lint ──> import ──> seal ──> tables and endpoints ──> App

Loading changes nothing that is being served: an app that does not load is refused whole, and modules
of one that does take the place of older ones when it is served (`App.install`), not before.
"""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import trio
from attrs import Factory, define, field, frozen

from ...protocol import paths
from ...protocol.errors import InvalidPath
from ..authentication.providers import ATTRIBUTE, MODULE, Provider, checked_providers, prepare
from ..data.hints import union_of
from ..data.index_fields import class_name, table_indexes
from ..data.schema import Document
from ..data.settings import Settings, find_settings
from ..data.shapes import Shape, check_supported, table_shape
from ..data.text_fields import table_text_indexes
from ..data.vector_fields import table_vector_indexes
from ..determinism import driver, lint
from ..determinism import frozen as frozen_state
from ..errors import AppInvalid
from ..limits import FIELD_NAME_CHARS_MAX
from .bundle import Bundle, BundleImporter, Modules, package_name, read_bundle
from .crons import Cron, find_crons
from .endpoint import Endpoint, endpoint_of
from .functions import AnyFunction, Function, Moment
from .http_router import HttpRouter, find_router

logger = logging.getLogger("relive")


@frozen(eq=False)
class TableClass:
    """A table that the app defines."""

    name: str
    cls: type[Document]
    """If it has variants, documents are of those."""
    shape: Shape

    @classmethod
    def of(cls, document: type[Document]) -> TableClass:
        """Raises AppInvalid for fields that cannot be served, and for indexes of fields that are not there."""
        shape = table_shape(document, document.__name__)
        check_supported(union_of(document), class_name(document))
        for indexes_of in (table_indexes, table_text_indexes, table_vector_indexes):
            indexes_of(document, shape)
        return cls(document.__table__, document, shape)


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
    providers: tuple[Provider, ...] = ()
    """Whose tokens it accepts."""
    router: HttpRouter | None = None
    """Its HTTP actions; None if it has none."""
    modules: Modules | None = None
    """What was imported; None for an app that was not loaded from source."""
    crons: Mapping[str, Cron] = Factory(dict[str, Cron])
    """By name."""
    settings: tuple[type[Settings], ...] = ()
    """Which environment variables it declares."""
    by_function: dict[AnyFunction, Endpoint] = field(init=False)
    told: dict[Moment, Endpoint] = field(init=False)
    """By the moment of a client's session."""

    def __attrs_post_init__(self) -> None:
        """Raises AppInvalid."""
        self.by_function = {endpoint.function: endpoint for endpoint in self.endpoints.values()}
        self.told = told(self.endpoints.values())

    def endpoint_of(self, function: object) -> Endpoint | None:
        """Of a decorated function; None if it is none of this app."""
        return self.by_function.get(function) if isinstance(function, Function) else None

    def told_at(self, moment: Moment) -> Endpoint | None:
        """The function that is called at that moment of a client's session."""
        return self.told.get(moment)

    def install(self, instead_of: App | None = None) -> None:
        """Its modules are what is imported by their names, from here on."""
        if instead_of is not None and instead_of.modules is not None:
            instead_of.modules.uninstall()
        if self.modules is not None:
            self.modules.install()


def told(endpoints: Iterable[Endpoint]) -> dict[Moment, Endpoint]:
    """Functions that the server calls, by the moment.  Raises AppInvalid if there are two, or one is amiss."""
    found: dict[Moment, Endpoint] = {}
    for endpoint in endpoints:
        moment = getattr(endpoint.function, "moment", None)
        if moment is None:
            continue
        if [own.name for own in endpoint.arguments.fields if not own.optional] != ["session"]:
            raise AppInvalid(endpoint.path, "it is called with `ctx` and `session: str`, and nothing else")
        other = found.setdefault(moment, endpoint)
        if other is not endpoint:
            raise AppInvalid(endpoint.path, f"an app has one function for this, and `{other.path}` is there already")
    return found


def empty_app() -> App:
    """What is served where nothing was deployed yet."""
    return App("", Bundle(Path("<nothing>"), {}), b"", {}, {})


def load_app(folder: Path) -> App:
    """Load the app of a folder.  Raises AppInvalid with file, line and remedy."""
    return load_bundle(folder.resolve().name, read_bundle(folder))


def load_bundle(name: str, bundle: Bundle) -> App:
    """Load an app from its source.  Raises AppInvalid with file, line and remedy."""
    return import_app(name, bundle, [finding for module in bundle.source for finding in lint_module(bundle, module)])


async def load_bundle_gently(name: str, bundle: Bundle) -> App:
    """As `load_bundle`, letting others have their turn between modules; the import itself is one step."""
    findings: list[lint.Finding] = []
    for module in bundle.source:
        findings += lint_module(bundle, module)
        await trio.lowlevel.checkpoint()
    return import_app(name, bundle, findings)


def import_app(name: str, bundle: Bundle, findings: Iterable[lint.Finding]) -> App:
    """The app of a bundle that was linted.  Nothing of it can be imported by others before `App.install`.

    Raises AppInvalid.
    """
    errors = [str(finding) for finding in findings if finding.level == "error"]
    if errors:
        raise AppInvalid(str(bundle.folder), "functions that could not be replayed:\n  " + "\n  ".join(errors))
    driver.add_root(f"{bundle.folder}/")
    with imported(package_name(name), bundle) as (importer, modules):
        for module in modules.values():
            for complaint in frozen_state.seal(module):
                raise AppInvalid(complaint, "handlers may change nothing but the database")
        app = App(
            name,
            bundle,
            bundle.hash,
            # All hints are resolved here, while the modules are found by their names.
            {table.name: table for table in find_tables(modules)},
            {endpoint.path: endpoint for endpoint in find_endpoints(modules)},
            tuple(str(finding) for finding in findings if finding.level == "warning"),
            find_providers(modules),
            find_router(modules),
            Modules(importer, modules_of(importer)),
        )
        app.crons = find_crons(modules, app.endpoints, app.endpoint_of)
        app.settings = find_settings(modules)
        return app


def lint_module(bundle: Bundle, name: str) -> list[lint.Finding]:
    """What is wrong with a module by its text alone.  Raises AppInvalid if it cannot be read."""
    filename = bundle.filename(name)
    try:
        return list(lint.check(bundle.source[name].decode(), filename))
    except SyntaxError as error:
        raise AppInvalid(f'File "{filename}", line {error.lineno}', error.msg) from None
    except UnicodeDecodeError as error:
        raise AppInvalid(filename, f"not UTF-8 text: {error}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise AppInvalid(filename, f"not Python that can be compiled: {error or type(error).__name__}") from None


@contextmanager
def imported(package: str, bundle: Bundle) -> Iterator[tuple[BundleImporter, dict[str, ModuleType]]]:
    """Every module of the bundle, by ``folder/module``; afterwards what was imported before is back."""
    importer = BundleImporter(package, bundle)
    before, finders = modules_of(importer), list(sys.meta_path)
    importer.install()
    try:
        yield importer, import_modules(package, bundle)
    finally:
        importer.uninstall()
        sys.meta_path.remove(importer)
        sys.modules.update(before)
        # Libraries that were imported may have added finders of their own.
        sys.meta_path[:0] = [finder for finder in finders if finder not in sys.meta_path]


def modules_of(importer: BundleImporter) -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if importer.inner(name) is not None}


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
            root = value.__root__
            if value is not root and root.__module__ in own:
                check_fields(value)
                continue
            name: str = root.__table__
            if names.get(name) is root:
                continue
            check_table(name, root, names.get(name))
            names[name] = root
            yield TableClass.of(root)


def check_table(name: str, cls: type[Document], other: type[Document] | None) -> None:
    where = class_name(cls)
    if other is not None:
        raise AppInvalid(where, f'table "{name}" is defined by {class_name(other)} already')
    if not name.isidentifier() or not name.isascii() or name.startswith("_") or len(name) > 64:
        raise AppInvalid(where, f'"{name}" cannot name a table: use letters, digits and _, not _ first')
    check_fields(cls)


def check_fields(cls: type[Document]) -> None:
    for name in (*cls.__struct_encode_fields__, cls.__tag_field__):
        if name.startswith(("_", "$")) and name not in ("_id", "_creationTime"):
            raise AppInvalid(class_name(cls), f"field `{name}`: names that begin with _ or $ belong to the system")
        if len(name) > FIELD_NAME_CHARS_MAX:
            raise AppInvalid(class_name(cls), f"field `{name}`: a name has at most {FIELD_NAME_CHARS_MAX} characters")


def find_providers(modules: Mapping[str, ModuleType]) -> tuple[Provider, ...]:
    """What the app says of identity providers.  Raises AppInvalid."""
    module = modules.get(MODULE)
    if module is None:
        return ()
    providers = checked_providers(str(module.__file__), getattr(module, ATTRIBUTE, None))
    if providers:
        prepare()
    return providers


def find_endpoints(modules: Mapping[str, ModuleType]) -> Iterator[Endpoint]:
    for name, module in modules.items():
        for attribute, value in list(vars(module).items()):
            if isinstance(value, Function) and value.__module__ == module.__name__:
                path = f"{name}:{attribute}"
                try:
                    yield endpoint_of(str(paths.parse(path)), value)
                except InvalidPath as error:
                    raise AppInvalid(str(module.__file__), str(error)) from None
