"""What a command can run into beside the errors of the layers below.

ReliveError
├── PortUnavailable      nothing can be served there: choose another port or host
├── ServerUnreachable    no server answers there: start one, or name another place
├── RequestRefused       the server did not run the function: change the request
├── CallFailed           the function ran and failed: fix it, or its arguments
├── VariableMissing      no such environment variable: set it
├── MigrationFailed      a migration stopped before its end: fix what it names, and run it again
├── DeployRefused        the app cannot be deployed as it is: fix what it names
├── DeployFailed         the server could not finish a deploy: try again
├── ExportFailed         an export broke off: try again
├── ImportFailed         a file was not imported: correct it, or try again, as it says
├── WorkerEnded          a worker process was ended from outside: run the command again
├── FileExists           no file is written over: name a new one
└── FolderNotEmpty       a new app needs an empty folder
"""

from __future__ import annotations

from attrs import define

from ..protocol.errors import ReliveError


@define(auto_exc=True)
class PortUnavailable(ReliveError):
    """The server cannot listen there.  Choose another port or host."""

    host: str
    port: int
    problem: str

    def __str__(self) -> str:
        return f"cannot serve at {self.host} port {self.port}: {self.problem}; choose another with --port or --host"


@define(auto_exc=True)
class ServerUnreachable(ReliveError):
    """Nobody answers at that URL.  Start a server, or name another place."""

    url: str
    problem: str

    def __str__(self) -> str:
        return (
            f"no relive server answers at {self.url} ({self.problem}): "
            "start one with `relive serve APP`, or name it with --url"
        )


@define(auto_exc=True)
class RequestRefused(ReliveError):
    """The server refused the request before any function ran.  Change the request, or give the admin key."""

    url: str
    code: str
    problem: str

    def __str__(self) -> str:
        return f"the server at {self.url} refused: {self.problem} ({self.code})"


@define(auto_exc=True)
class CallFailed(ReliveError):
    """A function failed, and said so.  Fix it, or its arguments."""

    function: str
    problem: str

    def __str__(self) -> str:
        return f"{self.function} failed: {self.problem}"


@define(auto_exc=True)
class VariableMissing(ReliveError):
    """The environment variable is not set.  Set it, or check the name."""

    name: str

    def __str__(self) -> str:
        return f"environment variable {self.name} is not set; `relive env list --names` shows those that are"


@define(auto_exc=True)
class MigrationFailed(ReliveError):
    """A migration did not come to its end, or would not.  Fix what the problem names, and run it again."""

    problem: str

    def __str__(self) -> str:
        return self.problem


@define(auto_exc=True)
class DeployRefused(ReliveError):
    """The app cannot be deployed as it is.  Fix what the problem names; nothing was changed."""

    code: str
    problem: str

    def __str__(self) -> str:
        return f"nothing was deployed: {self.problem}"


@define(auto_exc=True)
class DeployFailed(ReliveError):
    """The server could not finish a deploy, through no fault of the app.  Nothing was changed; try again."""

    code: str
    problem: str

    def __str__(self) -> str:
        return self.problem


@define(auto_exc=True)
class ExportFailed(ReliveError):
    """An export broke off.  No file was left; try again."""

    problem: str

    def __str__(self) -> str:
        return self.problem


@define(auto_exc=True)
class ImportFailed(ReliveError):
    """The server did not import a file.  The problem says what to correct."""

    code: str
    problem: str

    def __str__(self) -> str:
        return self.problem


@define(auto_exc=True)
class FolderNotEmpty(ReliveError):
    """Nothing of what is there may be overwritten.  Name a new folder."""

    folder: str

    def __str__(self) -> str:
        return f"{self.folder} is not empty: name a new folder, or empty this one"


@define(auto_exc=True)
class WorkerEnded(ReliveError):
    """A worker process ended in the middle of its work.  Run the command again, with fewer of them."""

    def __str__(self) -> str:
        return "a worker process was ended in the middle of its work: try again, with --jobs 1 if memory is short"


@define(auto_exc=True)
class FileExists(ReliveError):
    """No file is written over.  Name a new one."""

    file: str

    def __str__(self) -> str:
        return f"{self.file} is there already, and was left as it is: name a new file"
