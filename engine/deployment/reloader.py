"""Deploys the source of a running app again when it has changed.

Invariant: code that does not load, or does not fit the stored documents, changes nothing that is
being served.
"""

from __future__ import annotations

from pathlib import Path

from attrs import define

from ...actors.errors import WritesRefused
from ..application.app import load_bundle_gently
from ..application.bundle import read_bundle
from ..database import Database
from ..errors import DeployInterrupted, DeployUnderWay
from .deploy import Deployed


@define(eq=False)
class Reloader:
    database: Database
    folder: Path
    tried: bytes
    """Hash of the newest source that was loaded, with success or without."""

    async def reload(self) -> Deployed | None:
        """Deploy what the folder holds now; None if it is what was tried last.

        Raises AppInvalid, SchemaMismatch, and what says that it will be tried again the next time:
        DeployUnderWay, DeployInterrupted, WritesRefused.  The last good code is served on.
        """
        bundle = read_bundle(self.folder)
        if bundle.hash == self.tried:
            return None
        before, self.tried = self.tried, bundle.hash
        app = await load_bundle_gently(bundle.folder.name, bundle)
        try:
            return await self.database.deploy(app)
        except (DeployUnderWay, DeployInterrupted, WritesRefused):
            self.tried = before
            raise
