"""Changes of environment variables: several at once, all of them or none, within the limits.

Invariant: what is stored would be accepted again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from ...protocol.errors import InvalidValue
from ...protocol.values import normalize
from ..data.settings import NAME, Settings, require_settings
from ..data.system_tables import EnvironmentVariable
from ..errors import EnvironmentVariableInvalid
from ..execution.system_writes import SystemCtx
from ..limits import (
    ENVIRONMENT_BYTES_MAX,
    ENVIRONMENT_NAME_CHARS_MAX,
    ENVIRONMENT_VALUE_BYTES_MAX,
    ENVIRONMENT_VARIABLES_MAX,
)


@frozen
class EnvironmentChange:
    """One variable gets a value, or is removed."""

    name: str
    value: str | None

    def __attrs_post_init__(self) -> None:
        check_name(self.name)
        if self.value is None:
            return
        try:
            normalize(self.value)
        except InvalidValue as error:
            raise EnvironmentVariableInvalid(self.name, error.problem) from None
        bytes_ = len(self.value.encode())
        if bytes_ > ENVIRONMENT_VALUE_BYTES_MAX:
            problem = f"its value has {bytes_:,} bytes; {ENVIRONMENT_VALUE_BYTES_MAX:,} are allowed"
            raise EnvironmentVariableInvalid(self.name, problem)


def check_name(name: str) -> None:
    """Raises EnvironmentVariableInvalid."""
    if len(name) > ENVIRONMENT_NAME_CHARS_MAX:
        shown = f"{name[:32]}..."
        problem = f"its name has {len(name):,} characters; {ENVIRONMENT_NAME_CHARS_MAX} are allowed"
        raise EnvironmentVariableInvalid(shown, problem)
    if not NAME.fullmatch(name):
        raise EnvironmentVariableInvalid(name, "a name is made of letters, digits and _, and begins with no digit")


async def change_environment(
    ctx: SystemCtx, changes: tuple[EnvironmentChange, ...], declared: Sequence[type[Settings]] = ()
) -> int:
    """Make all of the changes, or none; how many of them changed something.

    Raises EnvironmentVariableInvalid if there would be too many variables, or if they would be too
    large together, and SettingsUnmet if one would not be what a class of ``declared`` says of it.
    """
    rows = {row.name: row for row in await ctx.db.query(EnvironmentVariable).collect()}
    changed = 0
    for name, value in {change.name: change.value for change in changes}.items():
        row = rows.get(name)
        if value is None:
            if row is not None:
                await ctx.db.delete(row.id)
        elif row is None:
            await ctx.db.insert(EnvironmentVariable(name=name, value=value))
        elif row.value != value:
            await ctx.db.patch(row.id, value=value)
        changed += value != (row.value if row is not None else None)
    values = await values_of(ctx)
    check_total(values)
    # What was missing before may go on missing: variables are set one by one.
    require_settings(declared, values, {change.name for change in changes})
    return changed


def check_total(values: Mapping[str, str]) -> None:
    if len(values) > ENVIRONMENT_VARIABLES_MAX:
        problem = f"there would be {len(values):,} variables; {ENVIRONMENT_VARIABLES_MAX} are allowed"
        raise EnvironmentVariableInvalid("", problem)
    bytes_ = sum(len(name) + len(value.encode()) for name, value in values.items())
    if bytes_ > ENVIRONMENT_BYTES_MAX:
        problem = f"all variables together would have {bytes_:,} bytes; {ENVIRONMENT_BYTES_MAX:,} are allowed"
        raise EnvironmentVariableInvalid("", problem)


async def values_of(ctx: SystemCtx) -> dict[str, str]:
    """All variables, by name, in the order of their names."""
    return {
        row.name: row.value
        for row in await ctx.db.query(EnvironmentVariable).index(EnvironmentVariable.by_name).collect()
    }
