"""Deploys the source of a running app again when it has changed.

Invariant: code that does not load, or does not fit the stored documents, changes nothing that is
being served.
"""

from __future__ import annotations

from pathlib import Path

from attrs import define

from .app import App, load_app
from .bundle import read_bundle
from .database import Database


@define(eq=False)
class Reloader:
    database: Database
    folder: Path
    tried: bytes
    """Hash of the newest source that was loaded, with success or without."""

    def reload(self) -> App | None:
        """Deploy what the folder holds now; None if it is what was tried last.

        Raises AppInvalid, SchemaMismatch and what a commit raises; the last good code is served on.
        """
        found = read_bundle(self.folder).hash
        if found == self.tried:
            return None
        self.tried = found
        app = load_app(self.folder)
        self.tried = app.code
        self.database.deploy(app)
        return app
