"""The generated types, put before the TypeScript compiler: what they allow, and what they refuse."""

from __future__ import annotations

from .typescript import Check

APP = '''
from __future__ import annotations

from typing import Any, Literal

from relive import (
    UNSET, Document, Id, Int64, MutationCtx, QueryCtx, Record, Unset, field, index,
    ScheduledFunction, internal_mutation, internal_query, mutation, query,
)


class Circle(Record, tag="circle"):
    radius: float


class Square(Record, tag="square"):
    side: float


class Node(Record):
    value: int
    children: list[Node] = []


class Nothing(Record):
    pass


class Team(Document):
    name: str = field()
    by_name = index(name)


class Item(Document, table="items"):
    team: Id[Team] = field()
    shape: Circle | Square
    amount: Int64
    data: bytes
    scores: dict[str, float]
    anything: Any
    state: Literal["open", "it's \\"done\\"", 3] = field(default="open")
    note: str | None = None
    extra: str | Unset = UNSET
    strange: int = field(name="strange name", default=0)
    job: Id[ScheduledFunction] | None = None
    by_state = index(team, state)


@query
async def of_team(ctx: QueryCtx, team: Id[Team], limit: int = 10, state: str | None = None) -> tuple[Item, ...]:
    """Items */ of a team."""
    return ()


@query
async def tree(ctx: QueryCtx) -> Node | None:
    return None


@query
async def untyped(ctx: QueryCtx):
    return 1


@mutation
async def add(
    ctx: MutationCtx, shapes: list[Circle | Square], amount: Int64, data: bytes, counts: dict[str, int], node: Node
) -> Id[Item]:
    """Adds.

    Two paragraphs.
    """
    raise NotImplementedError


@mutation
async def nothing(ctx: MutationCtx, empty: Nothing) -> None:
    return None


@query
async def job(ctx: QueryCtx, job: Id[ScheduledFunction]) -> ScheduledFunction | None:
    return await ctx.db.system.get(job)


@internal_query
async def secret(ctx: QueryCtx) -> int:
    return 1


@internal_mutation
async def sweep(ctx: MutationCtx) -> int:
    return 1
'''

USES = """
import type { FunctionArgs, FunctionReturnType } from "convex/server";
import { ConvexClient } from "convex/browser";
import { api, internal } from "./_generated/api";
import type { DataModel, Doc, Id, TableNames } from "./_generated/dataModel";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function same<A, B>(_: Equal<A, B>): void {}

type Item = FunctionReturnType<typeof api.items.of_team>[number];
same<Item, Doc<"items">>(true);
same<Item["state"], "open" | "it's \\"done\\"" | 3>(true);
same<Item["note"], string | null>(true);
same<Item["amount"], bigint>(true);
same<Item["data"], ArrayBuffer>(true);
same<Item["scores"], Record<string, number>>(true);
same<Item["_id"], Id<"items">>(true);
same<Item["_creationTime"], number>(true);
same<Item["strange name"], number>(true);
same<undefined extends Item["extra"] ? true : false, true>(true);
same<undefined extends Item["note"] ? true : false, false>(true);
same<TableNames, "items" | "teams">(true);
same<DataModel["items"]["indexes"]["by_state"], ["team", "state", "_creationTime"]>(true);
same<"shape.radius" extends DataModel["items"]["fieldPaths"] ? true : false, true>(true);
same<"scores.anything" extends DataModel["items"]["fieldPaths"] ? true : false, true>(true);
same<"absent" extends DataModel["items"]["fieldPaths"] ? true : false, false>(true);
same<Item["job"], Id<"_scheduled_functions"> | null>(true);
same<NonNullable<FunctionReturnType<typeof api.items.job>>["_id"], Id<"_scheduled_functions">>(true);
same<FunctionArgs<typeof api.items.job>, { job: Id<"_scheduled_functions"> }>(true);
same<FunctionReturnType<typeof api.items.nothing>, null>(true);
same<FunctionReturnType<typeof api.items.untyped>, any>(true);
same<FunctionReturnType<typeof api.folder.inner.deep>, number>(true);
same<FunctionReturnType<typeof api.folder.deeper.default>, string>(true);

export function shapeOf(item: Item): number {
  return item.shape.type === "circle" ? item.shape.radius : item.shape.side;
}
export function depthOf(node: NonNullable<FunctionReturnType<typeof api.items.tree>>): number {
  return 1 + Math.max(0, ...node.children.map((child) => depthOf(child)));
}

declare const client: ConvexClient;
declare const team: Id<"teams">;
declare const item: Id<"items">;
const rest = { amount: 1n, data: new ArrayBuffer(1), counts: { a: 1 }, node: { value: 1, children: [{ value: 2 }] } };

client.onUpdate(api.items.of_team, { team }, (items) => items.map((one) => one.team));
client.onUpdate(api.items.of_team, { team, limit: 5, state: null }, () => {});
client.onUpdate(api.items.tree, {}, () => {});
const shapes = [{ type: "circle" as const, radius: 1 }];
const added: Promise<Id<"items">> = client.mutation(api.items.add, { shapes, ...rest });
const args: FunctionArgs<typeof internal.items.secret> = {};
client.mutation(api.items.nothing, { empty: {} });
export { added, args };

// @ts-expect-error the id of another table
client.query(api.items.of_team, { team: item });
// @ts-expect-error the id of a table of the app
client.query(api.items.job, { job: item });
// @ts-expect-error a required argument is missing
client.query(api.items.of_team, { limit: 1 });
// @ts-expect-error no such argument
client.query(api.items.of_team, { team, colour: 1 });
// @ts-expect-error an argument may be left out, not undefined
client.query(api.items.of_team, { team, limit: undefined });
// @ts-expect-error a mutation is no query
client.query(api.items.add, { shapes: [], ...rest });
// @ts-expect-error an internal function is not part of what clients may call
client.query(internal.items.secret, {});
// @ts-expect-error and is not listed among the public ones
client.query(api.items.secret, {});
// @ts-expect-error a number is no bigint
client.mutation(api.items.add, { shapes: [], ...rest, amount: 1 });
// @ts-expect-error a square has no radius
client.mutation(api.items.add, { shapes: [{ type: "square", radius: 1 }], ...rest });
// @ts-expect-error text in a record of numbers
client.mutation(api.items.add, { shapes: [], ...rest, counts: { a: "1" } });
// @ts-expect-error wrong two levels down in an object that holds itself
client.mutation(api.items.add, { shapes: [], ...rest, node: { value: 1, children: [{ value: "2" }] } });
// @ts-expect-error this object has no fields
client.mutation(api.items.nothing, { empty: { a: 1 } });
// @ts-expect-error no such function
client.query(api.items.absent, {});
"""

DEEP = """
from relive import QueryCtx, query

@query
async def {name}(ctx: QueryCtx) -> {result}:
    raise NotImplementedError
"""


def test_every_construct_has_its_type_and_misuse_is_refused(check: Check) -> None:
    sources = {
        "items.py": APP,
        "folder/inner.py": DEEP.format(name="deep", result="int"),
        "folder/deeper.py": DEEP.format(name="default", result="str"),
    }

    assert check(sources, USES) == ""


def test_an_app_without_tables_has_types_too(check: Check) -> None:
    uses = """
        import { api } from "./_generated/api";
        import type { TableNames } from "./_generated/dataModel";
        export const none: TableNames[] = [];
        export const reference: { _type: "query" } = api.alone.ping;
    """

    assert check({"alone.py": DEEP.format(name="ping", result="bool")}, uses) == ""


def test_the_types_are_checked_at_all(check: Check) -> None:
    complaints = check({"alone.py": DEEP.format(name="ping", result="bool")}, "const text: string = 1;")

    assert "TS2322" in complaints
