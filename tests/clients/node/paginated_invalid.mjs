// Cursors that are no good any more: the hook starts again from the first page; other failures it throws.
import { usePaginatedQuery } from "convex/react";
import { anyApi as api } from "convex/server";

import { draw } from "./draw.mjs";
import { finish, step, until, within } from "./harness.mjs";
import { Wire } from "./wire.mjs";

const wire = new Wire();
const client = wire.connectReact();
const args = { where: { board: "a" } };
const add = (board, ranks, hidden) => within("adding", client.mutation(api.posts.add, { board, ranks, hidden }));

await add("a", [10, 30, 50, 70, 90], false);
await add("a", [20, 40, 60, 80], true);
await add("b", [1, 2, 3], false);
const list = draw(client, (given) => usePaginatedQuery(api.posts.list, given, { initialNumItems: 2 }), args);
const ranks = () => (list.last()?.results ?? []).map(({ rank }) => rank);
const shows = (...expected) => until(`[${expected}] in the list`, () => `${ranks()}` === `${expected}`);

/** What is drawn, without what looks like the picture before, until the list shows this. */
async function drawnUntil(happen, ...expected) {
  const from = list.renders.length;
  await happen();
  await until("another picture", () => list.renders.length > from);
  await shows(...expected);
  const all = list.renders.slice(from).map(({ status, results }) => `${status} ${results.map(({ rank }) => rank)}`);
  return all.filter((each, n) => each !== all[n - 1]);
}

const { through } = wire;
const garbled = (message) => {
  const changed = structuredClone(message);
  for (const { args } of changed.modifications ?? []) {
    const options = args?.[0].paginationOpts;
    if (options?.cursor) options.cursor = `${options.cursor.slice(0, -3)}AAA`;
  }
  return changed;
};

await shows(10, 20);
list.last().loadMore(3);
await shows(10, 20, 30, 40, 50);

// The page that is to come cannot be read.
const more = await drawnUntil(
  () => {
    wire.through = (message, send) => send(garbled(message));
    list.last().loadMore(2);
  },
  10,
  20,
);
wire.through = through;
list.last().loadMore(3);
await shows(10, 20, 30, 40, 50);
const connectionsBefore = wire.opened;

// A deploy gives the index other fields, while the list is watched.
const deployed = await drawnUntil(() => step("deploy another index"), 10, 30);
list.last().loadMore(4);
await shows(10, 30, 50, 70, 90, 20);
const connectionsAfter = wire.opened;

// The server comes back with the first index: the cursors and journals sent again are of the other one.
const restarted = await drawnUntil(() => step("restart with the first index"), 10, 20);
list.last().loadMore(2);
await shows(10, 20, 30, 40);

// Another list.
const other = await drawnUntil(() => list.set({ where: { board: "b" }, order: "desc" }), 3, 2);

const wrong = draw(client, () => usePaginatedQuery(api.posts.list, args, { initialNumItems: 0 }));
await until("an error", () => wrong.error !== null);

const failures = wire.said.flatMap(({ received }) =>
  received?.type === "Transition" ? received.modifications.filter(({ type }) => type === "QueryFailed") : [],
);
finish({
  more,
  deployed,
  restarted,
  other,
  failures: failures.map(({ errorData }) => errorData ?? null),
  thrown: wrong.error.message,
  error: list.error?.message ?? null,
  survived: connectionsBefore === 1 && connectionsAfter === 1,
});
