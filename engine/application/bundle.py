"""The source of an app: every module of its folder, as one content-addressed bundle.

What is deployed is what was read here, not what the disk holds later: modules are compiled from
the bundle, so the hash in an entry says exactly which code ran.  A bundle may come without a folder,
from a client or from the log; its files are then named as if they were in ``<name of the app>/``.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from types import CodeType, ModuleType

from attrs import field, frozen

from ..errors import AppInvalid
from ..limits import BUNDLE_BYTES_MAX, MODULE_BYTES_MAX, MODULES_MAX

HASH_BYTES = 32
NAME_CHARS_MAX = 255


@frozen
class Bundle:
    """``source`` by module, as ``folder/module`` (and ``folder/__init__`` for packages)."""

    folder: Path = field(eq=False)
    source: Mapping[str, bytes]

    def filename(self, name: str) -> str:
        """Of a module, as tracebacks show it."""
        return str(self.folder / f"{name}.py")

    @property
    def hash(self) -> bytes:
        """Content address: of names and sources, whatever folder they came from."""
        digest = blake2b(digest_size=HASH_BYTES)
        for name, text in sorted(self.source.items()):
            digest.update(f"{len(name)}:{name}{len(text)}:".encode() + text)
        return digest.digest()


def read_bundle(folder: Path) -> Bundle:
    """Every Python module in the folder.  Raises AppInvalid if it cannot be an app."""
    if not folder.is_dir():
        raise AppInvalid(str(folder), "there is no such folder; `relive init DIR` makes an app")
    source: dict[str, bytes] = {}
    for path in python_files(folder):
        parts = path.relative_to(folder).with_suffix("").parts
        if all(belongs(part) for part in parts):
            source["/".join(parts)] = path.read_bytes()
    return checked(Bundle(folder.resolve(), source), folder)


def bundle_of(name: str, source: Mapping[str, bytes]) -> Bundle:
    """The bundle of an app that has no folder here.  Raises AppInvalid if no folder could hold it."""
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable() or "/" in name or name in (".", ".."):
        raise AppInvalid("the app", f"{name[:NAME_CHARS_MAX]!r} cannot be its name: use that of its folder")
    folder = Path(f"<{name}>")
    for module in source:
        if not all(belongs(part) for part in module.split("/")):
            problem = "this cannot be a module: names of folders and modules are identifiers, and do not begin with _"
            raise AppInvalid(ascii(module), problem)
    return checked(Bundle(folder, source), folder)


def checked(bundle: Bundle, folder: Path) -> Bundle:
    """Raises AppInvalid if it is empty, too large, or has a module beside a folder of its name."""
    if len(bundle.source) > MODULES_MAX:
        raise AppInvalid(str(folder), f"{len(bundle.source):,} modules; an app has at most {MODULES_MAX:,}")
    folders = {"/".join(parts[:depth]) for parts in map(split, bundle.source) for depth in range(1, len(parts))}
    for name, text in bundle.source.items():
        path = folder / f"{name}.py"
        if len(text) > MODULE_BYTES_MAX:
            raise AppInvalid(str(path), f"{len(text):,} bytes; a module has at most {MODULE_BYTES_MAX:,}")
        if name in folders:
            raise AppInvalid(str(path), f"there is a folder {name}/ too: give one another name")
    total = sum(map(len, bundle.source.values()))
    if total > BUNDLE_BYTES_MAX:
        raise AppInvalid(str(folder), f"{total:,} bytes of source; an app has at most {BUNDLE_BYTES_MAX:,}")
    if not bundle.source:
        raise AppInvalid(str(folder), "there is no Python module in it; `relive init DIR` makes an app")
    return bundle


def split(module: str) -> list[str]:
    return module.split("/")


def python_files(folder: Path) -> Iterator[Path]:
    """Python files below ``folder``, sorted; folders that cannot belong to an app are not walked."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if belongs(path.name):
                yield from python_files(path)
        elif path.suffix == ".py":
            yield path


def belongs(part: str) -> bool:
    """Tests, generated code and folders of other tools are not part of an app."""
    if part == "__init__":
        return True
    return part.isidentifier() and not part.startswith(("_", "test_")) and part not in ("conftest", "node_modules")


class BundleImporter(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports ``package.module`` from a bundle; ``import package.module`` and ``from . import module``."""

    def __init__(self, package: str, bundle: Bundle) -> None:
        self.package, self.bundle = package, bundle
        self.packages = {""} | {
            "/".join(name.split("/")[:depth]) for name in bundle.source for depth in range(1, name.count("/") + 1)
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        inner = self.inner(fullname)
        if inner is None or not (inner in self.packages or inner in self.bundle.source):
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, is_package=inner in self.packages)
        spec.origin = self.filename(fullname)
        spec.has_location = True
        return spec

    def inner(self, fullname: str) -> str | None:
        """``folder/module`` of a full name, or None if it is not of this package."""
        if fullname == self.package:
            return ""
        prefix = self.package + "."
        return fullname[len(prefix) :].replace(".", "/") if fullname.startswith(prefix) else None

    def source_name(self, fullname: str) -> str:
        inner = self.inner(fullname)
        assert inner is not None, fullname
        return f"{inner}/__init__".lstrip("/") if inner in self.packages else inner

    def filename(self, fullname: str) -> str:
        return self.bundle.filename(self.source_name(fullname))

    def get_source(self, fullname: str) -> str:
        return self.bundle.source.get(self.source_name(fullname), b"").decode()

    def get_code(self, fullname: str) -> CodeType:
        filename = self.filename(fullname)
        try:
            source = self.bundle.source.get(self.source_name(fullname), b"")
            code: CodeType = compile(source, filename, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            raise AppInvalid(f'File "{filename}", line {line}', getattr(error, "msg", str(error))) from None
        return code

    def is_package(self, fullname: str) -> bool:
        return self.inner(fullname) in self.packages

    def install(self) -> None:
        """Take over the package's name; modules of an earlier version are forgotten."""
        self.uninstall()
        sys.meta_path[:] = [
            finder
            for finder in sys.meta_path
            if not (isinstance(finder, BundleImporter) and finder.package == self.package)
        ]
        sys.meta_path.insert(0, self)
        importlib.invalidate_caches()

    def uninstall(self) -> None:
        for name in [name for name in sys.modules if self.inner(name) is not None]:
            del sys.modules[name]


@frozen(eq=False)
class Modules:
    """What was imported of a bundle: put away until the app is served."""

    importer: BundleImporter
    by_name: Mapping[str, ModuleType]
    """By full name, as in ``sys.modules``."""

    def install(self) -> None:
        """From here on these are what is imported by their names."""
        self.importer.install()
        sys.modules.update(self.by_name)
        for name in self.importer.bundle.source:
            # Lines shown in tracebacks are those of this version.
            linecache.cache.pop(self.importer.bundle.filename(name), None)

    def uninstall(self) -> None:
        """Nothing of it can be imported any more."""
        self.importer.uninstall()
        if self.importer in sys.meta_path:
            sys.meta_path.remove(self.importer)


def package_name(name: str) -> str:
    """What the modules of an app are imported under: the app's name if nothing else has it."""
    taken = name in sys.stdlib_module_names or (name in sys.modules and not is_ours(name))
    if name.isidentifier() and not taken and not installed_elsewhere(name):
        return name
    return "app_" + "".join(c if c.isalnum() else "_" for c in name)


def is_ours(name: str) -> bool:
    return isinstance(getattr(sys.modules[name].__spec__, "loader", None), BundleImporter)


def installed_elsewhere(name: str) -> bool:
    finders = [finder for finder in sys.meta_path if not isinstance(finder, BundleImporter)]
    for finder in finders:
        spec = finder.find_spec(name, None)
        if spec is not None and spec.origin not in (None, "namespace") and "site-packages" in str(spec.origin):
            return True
    return False
