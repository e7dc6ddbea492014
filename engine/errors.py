"""What a developer or a client of an app can do wrong, and what to do about it.

ReliveError
├── ApplicationError          raised by an app for its clients; carries data
│   ├── InvalidCursor         a page was asked for with a cursor of another query
│   ├── DeploymentPaused      somebody has paused the deployment
│   └── DeploymentSealed      a fork does nothing to the world outside
├── FunctionError             a call that cannot succeed as it is
│   ├── FunctionNotFound      no such function, or it is internal
│   ├── WrongKind             a query called as a mutation, and the like
│   ├── ArgumentValidationError
│   ├── ReturnsValidationError
│   ├── ActionTimedOut        an action took longer than it may
│   ├── ActionStopped         the server stops, and with it its actions
│   ├── ActionCancelled       somebody has cancelled a durable action
│   ├── TooManyActions        as many wait for their turn as may
│   ├── ScheduleRefused       a time at which nothing can be scheduled, or a job that cannot be cancelled
│   └── StepMismatch          steps that were recorded are not those of the code that goes on
├── FunctionFailed            what an action or a test is told of an error that is no ApplicationError
├── DatabaseError             what `ctx.db` refuses inside a handler
│   ├── DocumentInvalid       a document that does not fit its table
│   ├── DocumentMissing       patch, replace or delete of an id that is not there
│   ├── NotUnique             `unique()` found two
│   ├── TableUnknown / IndexUnknown
│   ├── TableHidden           not to be read there: a table of the system, or one of the app
│   ├── IndexStaged           the index is being filled, and not to be read yet
│   ├── LimitReached          a transaction read or wrote more than it may
│   └── VectorInvalid         what is searched for cannot be compared with the vectors of the index
├── PresenceRefused           nobody can enter a room there: no client's session, or too many rooms
├── EnvironmentVariableMissing  a function asked for one that is not set
├── EnvironmentVariableInvalid  a name, a value or all of them together that cannot be set
├── SettingsUnmet             variables that the app declares are missing, or are not what it says
├── DurableActionUnknown      no durable action of that id, or it has ended
├── MigrationUnknown          no migration of that name
├── MigrationRefused          it cannot be started, or stopped, as it is
├── AppInvalid                the app's source cannot be served; names file and line
├── SchemaMismatch            stored documents do not fit the schema; shows the first ones
├── DeployUnderWay            another deploy has not ended yet
├── DeployInterrupted         a deploy could not be finished, through no fault of its own
├── TooLongAgo                the past asked for is not held any more
├── ForkRefused               a fork needs a new folder
├── AdminKeyRefused           an admin key cannot be made, or revoked, under that name
└── DataFolderInvalid         a folder that is no data folder, or not a whole one
"""

from __future__ import annotations

from attrs import define

from ..protocol.errors import ReliveError


class ApplicationError(ReliveError):
    """An error that clients are meant to see, with data of your own.

    Clients receive it as ``ConvexError`` with the same ``data``.  The transaction is rolled back.
    """

    def __init__(self, data: object) -> None:
        super().__init__(data)
        self.data = data


class InvalidCursor(ApplicationError):
    """A cursor or journal that this query did not make, that was changed, or whose page has grown too
    long to be read.  Start from the first page.

    ``usePaginatedQuery`` knows it by its data and does so by itself.
    """

    def __init__(self, problem: str = "the cursor belongs to another query, or was changed") -> None:
        self.problem = problem
        super().__init__({"isConvexSystemError": True, "paginationError": "InvalidCursor"})

    def __str__(self) -> str:
        return f"InvalidCursor: {self.problem}. Start from the first page"


class DeploymentPaused(ApplicationError):
    """No function runs while the deployment is paused.  Try again later; ``relive resume`` ends it."""

    def __init__(self) -> None:
        super().__init__({"code": "DeploymentPaused", "message": str(self)})

    def __str__(self) -> str:
        return "this deployment is paused, so no function runs. Try again later"


class DeploymentSealed(ApplicationError):
    """No action runs in a sealed fork: what it does outside, the original has done.  ``relive fork --unseal``."""

    def __init__(self) -> None:
        super().__init__({"code": "DeploymentSealed", "message": str(self)})

    def __str__(self) -> str:
        return (
            "this deployment is a sealed fork, so no action runs: it would do again what the original does. "
            "`relive fork --unseal` makes a fork that runs them"
        )


class FunctionError(ReliveError):
    """A call that cannot succeed as it is.  Change the call, or the function."""


@define(auto_exc=True)
class FunctionNotFound(FunctionError):
    """No public function of that name.  Check the path; internal functions need the admin key."""

    path: str

    def __str__(self) -> str:
        return f"Could not find public function for '{self.path}'."


@define(auto_exc=True)
class WrongKind(FunctionError):
    """The function is of another kind.  Call it as what it is."""

    path: str
    """``module:function``; shown as clients of Convex know it, with the module as a file."""
    asked: str
    defined: str

    def __str__(self) -> str:
        return (
            f"Trying to execute {self.path.replace(':', '.js:')} as {self.asked.capitalize()}, "
            f"but it is defined as {self.defined.capitalize()}."
        )


@define(auto_exc=True)
class ArgumentValidationError(FunctionError):
    """An argument does not have the type that the function declares."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"ArgumentValidationError: {self.path}: {self.problem}"


@define(auto_exc=True)
class ReturnsValidationError(FunctionError):
    """A function returned something other than it declares.  Nothing was written."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"ReturnsValidationError: {self.path}: {self.problem}"


@define(auto_exc=True)
class ActionTimedOut(FunctionError):
    """Do less in one action, or let it take durable steps."""

    seconds: float

    def __str__(self) -> str:
        return f"the action was cancelled: it took longer than {self.seconds:g} s"


class ActionStopped(FunctionError):
    """Nobody knows how far it came.  See what it did, then try again."""

    def __str__(self) -> str:
        return "the action was cancelled: the server is stopping. It may have done a part of what it does"


class ActionCancelled(FunctionError):
    """What it did until then stays."""

    def __str__(self) -> str:
        return "the action was cancelled"


@define(auto_exc=True)
class BodyTooLarge(FunctionError):
    """Read the body of the request piece by piece, with ``request.stream()``."""

    bytes_max: int

    def __str__(self) -> str:
        return f"the body of the request is longer than {self.bytes_max:,} bytes"


class RequestGone(FunctionError):
    """Nobody waits for the response any more."""

    def __str__(self) -> str:
        return "the client of this HTTP action went away, or the action was ended"


@define(auto_exc=True)
class DurableActionUnknown(ReliveError):
    """``relive actions list`` shows those that there are."""

    id: str
    state: str | None = None
    """How it has ended; None if there is none of that id."""

    def __str__(self) -> str:
        if self.state is not None:
            return f"the durable action {self.id} has ended already: it is {self.state}"
        return f"there is no durable action {self.id}: `relive actions list` shows those that there are"


@define(auto_exc=True)
class TooManyActions(FunctionError):
    """Try again later."""

    running: int
    waiting: int

    def __str__(self) -> str:
        return (
            f"{self.running:,} actions are running and {self.waiting:,} wait for their turn, as many as may: "
            "this one was not begun. Try again later"
        )


@define(auto_exc=True)
class StepMismatch(FunctionError):
    """Deploy code that takes the recorded steps, in their order, or cancel the action and start another."""

    function: str
    position: int
    recorded: str
    wanted: str

    def __str__(self) -> str:
        return (
            f"{self.function}: step {self.position + 1} is recorded as `{self.recorded}`, and the code that goes on "
            f"now takes `{self.wanted}`: the steps of an action that has begun must stay as they are"
        )


@define(auto_exc=True)
class ScheduleRefused(FunctionError):
    """A time that is none or too far away, or a scheduled function that cannot be cancelled any more."""

    problem: str

    def __str__(self) -> str:
        return self.problem


@define(auto_exc=True)
class FunctionFailed(ReliveError):
    """A function that an action or a test called raised, or could not be called.

    The text is what ``relive logs`` would show.
    """

    text: str
    """The error, and the lines of the app that it passed."""

    def __str__(self) -> str:
        return self.text


class DatabaseError(ReliveError):
    """What ``ctx.db`` refuses inside a handler."""


@define(auto_exc=True)
class DocumentInvalid(DatabaseError):
    """A document does not fit its table.  Fix the field named in the problem."""

    table: str
    problem: str

    def __str__(self) -> str:
        return f"document of table `{self.table}`: {self.problem}"


@define(auto_exc=True)
class DocumentMissing(DatabaseError):
    """There is no document of that id (any more).  Read it first with ``ctx.db.get()``."""

    operation: str
    id: str

    def __str__(self) -> str:
        return f"{self.operation}: there is no document {self.id!r}"


@define(auto_exc=True)
class NotUnique(DatabaseError):
    """``unique()`` found more than one document.  Narrow the range, or use ``first()``."""

    table: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"unique() on `{self.table}` found {self.first!r} and {self.second!r}. Narrow the range, or use first()"


@define(auto_exc=True)
class TableUnknown(DatabaseError):
    """No table of that name.  Define a Document class in the app's schema."""

    name: str
    remedy: str = "define a Document class for it in a module of the app"

    def __str__(self) -> str:
        return f"there is no table {self.name!r}: {self.remedy}"


@define(auto_exc=True)
class TableHidden(DatabaseError):
    """The table is not to be read there.  ``ctx.db`` reads tables of the app, ``ctx.db.system`` those of the system
    that functions may see."""

    name: str
    remedy: str

    def __str__(self) -> str:
        return f"table `{self.name}` cannot be read here: {self.remedy}"


@define(auto_exc=True)
class IndexUnknown(DatabaseError):
    """The index does not belong to the table of the query."""

    table: str
    index: str
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"table `{self.table}` has no index {self.index!r}; it has {', '.join(self.known) or 'none'}"


@define(auto_exc=True)
class IndexStaged(DatabaseError):
    """The index is filled and kept up to date, but not to be read.  Deploy it without ``staged=True``."""

    table: str
    index: str

    def __str__(self) -> str:
        return f"index {self.index} of table `{self.table}` is staged: deploy it without staged=True to read it"


@define(auto_exc=True)
class LimitReached(DatabaseError):
    """A transaction did more than one may.  Do less at once: use an index, or several calls."""

    what: str
    used: int
    allowed: int
    remedy: str = "Read a smaller range of an index, or split the work over several calls"

    def __str__(self) -> str:
        return f"too many {self.what}: {self.used:,} in one transaction, {self.allowed:,} allowed. {self.remedy}"


@define(auto_exc=True)
class VectorInvalid(DatabaseError):
    """What is searched for cannot be compared with the vectors of the index.  Give one like those."""

    index: str
    problem: str

    def __str__(self) -> str:
        return f"vector to search for in {self.index}: {self.problem}"


@define(auto_exc=True)
class PresenceRefused(ReliveError):
    """A mutation cannot enter a room.  Let clients call it over their socket, and leave rooms."""

    presence: str
    problem: str

    def __str__(self) -> str:
        return f"presence {self.presence!r}: {self.problem}"


@define(auto_exc=True)
class EnvironmentVariableMissing(ReliveError):
    """A function asked for an environment variable that is not set.  Set it, or use ``ctx.env.get()``."""

    name: str

    def __str__(self) -> str:
        return (
            f"environment variable {self.name} is not set: set it with `relive env set {self.name} VALUE`, "
            f'or read it with ctx.env.get("{self.name}", default)'
        )


@define(auto_exc=True)
class EnvironmentVariableInvalid(ReliveError):
    """Environment variables that cannot be set like this.  Nothing was changed."""

    name: str
    """Empty if the problem is not one of a single variable."""
    problem: str

    def __str__(self) -> str:
        return f"environment variable {self.name!r}: {self.problem}" if self.name else self.problem


@define(auto_exc=True)
class SettingsUnmet(ReliveError):
    """Environment variables that the app declares are missing, or are not what it says.  Set them."""

    problems: tuple[str, ...]
    """Each names its variable, and no value."""

    def __str__(self) -> str:
        return f"environment variables: {'; '.join(self.problems)}. Set them with `relive env set NAME VALUE`"


@define(auto_exc=True)
class MigrationUnknown(ReliveError):
    """The deployed code has no migration of that name.  Check the name, or deploy it."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        known = f"it has {', '.join(self.known)}" if self.known else "it has none"
        return f"the deployed code has no migration {self.name!r}: {known}"


@define(auto_exc=True)
class MigrationRefused(ReliveError):
    """A migration cannot be started, or stopped, in the state it is in.  Nothing was changed."""

    name: str
    problem: str

    def __str__(self) -> str:
        return f"migration {self.name} {self.problem}"


@define(auto_exc=True)
class AppInvalid(ReliveError):
    """The app's source cannot be served as it is.  Fix what ``problem`` names."""

    where: str
    """File, and line where known."""
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


@define(auto_exc=True)
class SchemaMismatch(ReliveError):
    """Stored documents do not fit the schema.  Nothing was changed.

    Give new fields a default, or widen the type with a union until the data is migrated.
    """

    offenders: tuple[str, ...]
    """The first ones, each with its id and what does not fit."""
    count: int

    def __str__(self) -> str:
        lines = "\n".join(f"  {offender}" for offender in self.offenders)
        return (
            f"{self.count:,} stored document(s) do not fit the schema; the first:\n{lines}\n"
            "Give new fields a default, or widen the type with a union until the data is migrated."
        )


@define(auto_exc=True)
class DeployUnderWay(ReliveError):
    """Another deploy has not ended yet.  Wait for it, then look whether yours is still wanted."""

    app: str
    """What is being deployed."""

    def __str__(self) -> str:
        return f"a deploy of {self.app} is under way already: wait for its end, then deploy again"


@define(auto_exc=True)
class DeployInterrupted(ReliveError):
    """A deploy could not be finished, through no fault of its own.  Nothing was changed; deploy again."""

    problem: str

    def __str__(self) -> str:
        return f"nothing was deployed: {self.problem}; deploy again"


@define(auto_exc=True)
class TooLongAgo(ReliveError):
    """The past that was asked for is not held any more.  Ask for a newer timestamp."""

    ts: int
    oldest: int

    def __str__(self) -> str:
        return f"timestamp {self.ts} is too long ago; the oldest that can be read is {self.oldest}"


@define(auto_exc=True)
class AdminKeyRefused(ReliveError):
    """An admin key that cannot be made, or revoked.  Choose another name."""

    name: str
    problem: str

    def __str__(self) -> str:
        return f"admin key {self.name!r}: {self.problem}"


@define(auto_exc=True)
class DataFolderInvalid(ReliveError):
    """The folder is not a data folder, or not a whole one.  Name another, or restore it."""

    folder: str
    problem: str

    def __str__(self) -> str:
        return f"{self.folder}: {self.problem}"


@define(auto_exc=True)
class ForkRefused(ReliveError):
    """There is something in the folder already.  Name a new one; nothing was changed."""

    folder: str

    def __str__(self) -> str:
        return f"{self.folder} is in use already, and nothing was changed: name a new folder for the fork"
