// `usePaginatedQuery` as React uses it: pages are loaded, change, grow, are split, and are left.
import { insertAtTop, usePaginatedQuery, useQuery } from "convex/react";
import { anyApi as api } from "convex/server";

import { draw } from "./draw.mjs";
import { finish, until, within } from "./harness.mjs";
import { Wire } from "./wire.mjs";

const wire = new Wire();
const client = wire.connectReact();
const where = { board: "a" };
const ranks = (posts) => posts.map(({ rank }) => rank);
const add = (...added) => within("adding", client.mutation(api.posts.add, { board: "a", ranks: added }));
const remove = (...ids) => within("removing", client.mutation(api.posts.remove, { ids }));

/** The steps of a list, without those that look like the one before. */
function steps(renders) {
  const all = renders.map(({ status, results }) => [status, ranks(results)]);
  return all.filter((each, n) => JSON.stringify(each) !== JSON.stringify(all[n - 1]));
}

await add(10, 20, 30, 40, 50, 60, 70, 80);
const whole = (hooked) => ({ ...hooked, whole: useQuery(api.posts.whole, { where }) });
const list = draw(client, () => whole(usePaginatedQuery(api.posts.list, { where }, { initialNumItems: 3 })));
const twin = draw(client, () => usePaginatedQuery(api.posts.list, { where }, { initialNumItems: 3 }));
const shows = (...expected) =>
  until(`[${expected}] in the list`, () => `${ranks(list.last().results)}` === `${expected}`);

// From the first page to the end.  Of two calls at once only the first counts.
for (const length of [3, 6, 8]) {
  await until(`${length} rows`, () => list.last()?.results.length === length && !list.last().isLoading);
  list.last().loadMore(3);
  list.last().loadMore(2);
}
const loading = steps(list.renders);

// At either end, in the middle of a page, where one page ends and the next begins; and away again.
const [first] = await add(5);
await shows(5, 10, 20, 30, 40, 50, 60, 70, 80);
const [last] = await add(90);
await shows(5, 10, 20, 30, 40, 50, 60, 70, 80, 90);
await add(25, 30, 35, 60, 65);
await shows(5, 10, 20, 25, 30, 30, 35, 40, 50, 60, 60, 65, 70, 80, 90);
await remove(first._id, last._id);
await shows(10, 20, 25, 30, 30, 35, 40, 50, 60, 60, 65, 70, 80);
const changed = steps(list.renders);
const splitsBefore = wire.asked("Add").filter(({ args }) => args[0].paginationOpts?.endCursor).length;

// The first page grows past double: the hook asks for its halves and then lets go of it.
const from = wire.said.length;
await add(...Array.from({ length: 6 }, (_, n) => 11 + n));
const halves = () => wire.asked("Add", from).filter(({ args }) => args[0].paginationOpts?.endCursor);
await until("the page to be split, for both", () => wire.asked("Remove", from).length === 2);
const split = { said: wire.said.slice(from), halves: halves().length, list: ranks(list.last().results) };
await remove(
  ...list
    .last()
    .results.slice(0, 8)
    .map(({ _id }) => _id),
);
await until("the halves to shrink", () => list.last().results.length === 11);
const shrunk = ranks(list.last().results);

// An optimistic row at the top gives way to the real one in one step.
const renders = list.renders.length;
const optimisticUpdate = (store, { ranks: [rank] }) => {
  const item = { _id: "pending", _creationTime: 0, board: "a", rank, hidden: false };
  insertAtTop({ paginatedQuery: api.posts.list, argsToMatch: { where }, localQueryStore: store, item });
};
await within("a row", client.mutation(api.posts.add, { board: "a", ranks: [1] }, { optimisticUpdate }));
await until("the real row", () => list.last().results[0]?.rank === 1 && list.last().results[0]._id !== "pending");
const optimistic = list.renders.slice(renders).map(({ results }) => results.filter(({ rank }) => rank === 1));

// The other hook, which had loaded one page, still has one.
const twinShows = { status: twin.last().status, ranks: ranks(twin.last().results) };
twin.end();
list.end();
await until("nothing to be watched", () => wire.asked("Remove").length === wire.asked("Add").length);

finish({
  loading,
  changed,
  splitsBefore,
  split,
  shrunk,
  optimistic: optimistic.map((rows) => rows.map(({ _id }) => (_id === "pending" ? "pending" : "real"))),
  twin: twinShows,
  beside: list.renders
    .slice(0, renders)
    .flatMap(({ results, whole, status }) =>
      whole === undefined || status === "LoadingFirstPage" ? [] : [[ranks(results), ranks(whole)]],
    ),
  error: list.error?.message ?? twin.error?.message ?? null,
  connections: wire.opened,
});
