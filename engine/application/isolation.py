"""An app beside modules of the same source that somebody has imported: tests do, for types and functions.

The app is imported from its source once more, under its own name, as a server does it.  Meanwhile what
was imported before is put away; afterwards it is back, and nothing of the app is left.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from .app import App, load_app, load_bundle
from .bundle import BundleImporter, bundle_of
from .functions import AnyFunction

NAME = "app"
"""Of an app that is given as texts."""


def load_source(source: str | Path | ModuleType | Mapping[str, str]) -> App:
    """The app of a folder, of an imported package, or of texts by module.  Raises AppInvalid."""
    if isinstance(source, Mapping):
        return load_bundle(NAME, bundle_of(NAME, {name: text.encode() for name, text in source.items()}))
    return load_app(folder_of(source))


def folder_of(source: str | Path | ModuleType) -> Path:
    """Raises ValueError for a module that is no package."""
    if not isinstance(source, ModuleType):
        return Path(source)
    paths = list(getattr(source, "__path__", ()))
    if len(paths) != 1:
        raise ValueError(f"{source.__name__} is not the package of an app: pass that, or the app's folder")
    return Path(paths[0])


def put_away(folder: Path) -> dict[str, ModuleType]:
    """Modules of that folder that were imported by others than us: they are not, until they are put back."""
    found = {name: module for name, module in list(sys.modules.items()) if is_inside(module, folder)}
    for name in found:
        del sys.modules[name]
    return found


def put_back(modules: Mapping[str, ModuleType]) -> None:
    sys.modules.update(modules)


@contextmanager
def back_for_now(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """What was put away is imported inside, so that its hints, which are names, can be resolved."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def is_inside(module: ModuleType, folder: Path) -> bool:
    """Whether it is a module of the folder, or the folder as a package; but not one of an app that runs."""
    if isinstance(getattr(getattr(module, "__spec__", None), "loader", None), BundleImporter):
        return False
    places = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or ())]
    return any(isinstance(place, str) and Path(place).is_relative_to(folder) for place in places)


def path_in(app: App, function: AnyFunction, modules: Mapping[str, ModuleType]) -> str | None:
    """What a function is called in the app, if it was imported from the same file by one of the ``modules``."""
    module = modules.get(function.__module__)
    file = getattr(module, "__file__", None)
    for source in app.bundle.source:
        if file is not None and Path(file) == Path(app.bundle.filename(source)):
            names = [name for name, value in vars(module).items() if value is function]
            return f"{source}:{names[0]}" if names else None
    return None
