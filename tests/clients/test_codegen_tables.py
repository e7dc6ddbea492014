"""Generated types of what the simple ones do not have: tables of several classes, generic records, pages."""

from __future__ import annotations

from .typescript import Check

APP = """
from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from relive import (
    UNSET, Document, Id, Int64, MutationCtx, Page, PaginationOptions, QueryCtx, Record, Unset, field, index,
    mutation, nested, query,
)

T = TypeVar("T")


class Address(Record):
    city: str = field(name="cityName", formerly="town")
    zip: str | None = None


class Person(Document, table="people"):
    name: str = field(formerly="fullName")
    address: Address = field()
    second: Address | Unset = UNSET
    by_city = index(address.city, name)
    by_second_city = index(nested("second.city"), staged=True)


class Event(Document):
    at: float = field()
    by_at = index(at)


class Click(Event, tag="click"):
    x: int = field(default=0)
    by_x = index(x)


class Scroll(Event, tag="scroll"):
    who: Id[Person]


class Task(Document, tag_field="kind"):
    pass


class Once(Task, tag="once"):
    when: Int64


class Often(Task, tag="often"):
    every: Literal[1, 2, 3] = 1


class Box(Record, Generic[T]):
    content: T
    more: list[Box[T]] = field(default_factory=list)


class Both(Record):
    events: list[Event]
    boxes: dict[str, Box[bytes | None]]


@query
async def page(ctx: QueryCtx, person: Id[Person], paginationOpts: PaginationOptions) -> Page[Event]:
    raise NotImplementedError


@query
async def all_pages(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[Box[str]]:
    raise NotImplementedError


@query
async def unpaged(ctx: QueryCtx, person: Id[Person]) -> list[Event]:
    raise NotImplementedError


@query
async def both(ctx: QueryCtx) -> Both:
    raise NotImplementedError


@query
async def tuples(ctx: QueryCtx) -> tuple[dict[str, list[Int64 | None]], ...]:
    raise NotImplementedError


@mutation
async def put(ctx: MutationCtx, box: Box[Int64], others: Box[Id[Event]] | None = None) -> Once | Often:
    raise NotImplementedError
"""

USES = """
import type { FunctionReturnType, PaginationResult } from "convex/server";
import { ConvexClient } from "convex/browser";
import { usePaginatedQuery, useQuery, useMutation } from "convex/react";
import { api } from "./_generated/api";
import type { DataModel, Doc, Id } from "./_generated/dataModel";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function same<A, B>(_: Equal<A, B>): void {}

type Event = Doc<"events">;
same<Event["type"], "click" | "scroll">(true);
same<Doc<"tasks">["kind"], "once" | "often">(true);
export function place(event: Event): number | Id<"people"> {
  return event.type === "click" ? event.x : event.who;
}
export function when(task: Doc<"tasks">): bigint | 1 | 2 | 3 {
  return task.kind === "once" ? task.when : task.every;
}
same<DataModel["people"]["indexes"]["by_city"], ["address.cityName", "name", "_creationTime"]>(true);
same<DataModel["people"]["indexes"]["by_second_city"], ["second.cityName", "_creationTime"]>(true);
same<DataModel["events"]["indexes"]["by_x"], ["x", "_creationTime"]>(true);
same<"who" extends DataModel["events"]["fieldPaths"] ? true : false, true>(true);
same<"second.cityName" extends DataModel["people"]["fieldPaths"] ? true : false, true>(true);
same<FunctionReturnType<typeof api.app.tuples>, Record<string, (bigint | null)[]>[]>(true);
same<FunctionReturnType<typeof api.app.put>, Doc<"tasks">>(true);
type Boxes = FunctionReturnType<typeof api.app.both>["boxes"];
same<Boxes[string]["more"][number]["content"], ArrayBuffer | null>(true);

export function Component({ person }: { person: Id<"people"> }) {
  const { results, loadMore } = usePaginatedQuery(api.app.page, { person }, { initialNumItems: 10 });
  usePaginatedQuery(api.app.page, "skip", { initialNumItems: 10 });
  const boxes = usePaginatedQuery(api.app.all_pages, {}, { initialNumItems: 10 });
  const ats: number[] = results.map((event) => event.at);
  const texts: string[] = boxes.results.flatMap((box) => [box.content, ...box.more.map((inner) => inner.content)]);
  const put = useMutation(api.app.put);
  void put({ box: { content: 1n, more: [{ content: 2n }] } });
  void useQuery(api.app.unpaged, { person });
  loadMore(5);
  // @ts-expect-error the hook gives paginationOpts itself
  usePaginatedQuery(api.app.page, { person, paginationOpts: { numItems: 1, cursor: null } }, { initialNumItems: 1 });
  // @ts-expect-error a required argument is missing
  usePaginatedQuery(api.app.page, {}, { initialNumItems: 10 });
  // @ts-expect-error this query has no pages
  usePaginatedQuery(api.app.unpaged, { person }, { initialNumItems: 10 });
  // @ts-expect-error how many?
  usePaginatedQuery(api.app.page, { person }, {});
  // @ts-expect-error not every kind of event has an x
  results.map((event) => event.x);
  // @ts-expect-error a number is no bigint, also where a type variable stands for it
  void put({ box: { content: 1 } });
  // @ts-expect-error nor one level further in
  void put({ box: { content: 1n, more: [{ content: 2 }] } });
  return [ats, texts];
}

declare const client: ConvexClient;
declare const person: Id<"people">;
declare const event: Id<"events">;
const given = { numItems: 5, cursor: null, endCursor: null, id: 3, maximumRowsRead: 10, maximumBytesRead: 10 };
const page: Promise<PaginationResult<Event>> = client.query(api.app.page, { person, paginationOpts: given });
const next = client.query(api.app.page, { person, paginationOpts: { numItems: 5, cursor: "c", endCursor: "d" } });
void client.mutation(api.app.put, { box: { content: 1n }, others: { content: event } });
void client.mutation(api.app.put, { box: { content: 1n }, others: null });
export { page, next };

// @ts-expect-error an id of another table, where a type variable stands for it
void client.mutation(api.app.put, { box: { content: 1n }, others: { content: person } });
// @ts-expect-error a cursor is text or null, not left out
void client.query(api.app.page, { person, paginationOpts: { numItems: 5 } });
// @ts-expect-error the names are those of the wire
void client.query(api.app.page, { person, paginationOpts: { num_items: 5, cursor: null } });
"""


def test_variants_generics_and_pages_have_their_types_and_misuse_is_refused(check: Check) -> None:
    assert check({"app.py": APP}, USES) == ""
