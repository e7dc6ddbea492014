// Connections are lost, and the server is killed, while two pages are on screen: they keep their ends.
import { usePaginatedQuery } from "convex/react";
import { anyApi as api } from "convex/server";

import { draw } from "./draw.mjs";
import { connect, finish, step, until, within } from "./harness.mjs";
import { Wire } from "./wire.mjs";

const wire = new Wire();
const client = wire.connectReact();
const writer = connect();
const where = { board: "a" };
const ranks = (posts) => posts.map(({ rank }) => rank);
const add = (by, ...added) => within("adding", by.mutation(api.posts.add, { board: "a", ranks: added }));
const remove = (by, ids) => within("removing", by.mutation(api.posts.remove, { ids }));

await add(writer, 10, 20, 30, 40, 50, 60, 70, 80, 90);
const list = draw(client, () => usePaginatedQuery(api.posts.list, { where }, { initialNumItems: 3 }));
const shows = (...expected) =>
  until(`[${expected}] in the list`, () => `${ranks(list.last()?.results ?? [])}` === `${expected}`);
await shows(10, 20, 30);
list.last().loadMore(3);
await shows(10, 20, 30, 40, 50, 60);
const loaded = list.renders.length;

const journals = () =>
  Object.fromEntries(
    wire.said.flatMap(({ received }) =>
      received?.type === "Transition" ? received.modifications.map(({ queryId, journal }) => [queryId, journal]) : [],
    ),
  );

/** What the list is asked for with, once the connection is back, and what it was told last before. */
async function lost(interrupt, change, ...expected) {
  const from = wire.said.length;
  const told = journals();
  await interrupt();
  await change();
  await shows(...expected);
  const asked = wire.asked("Add", from).map(({ queryId, journal }) => [queryId, journal]);
  return { told, asked: Object.fromEntries(asked) };
}

const cut = await lost(
  () => wire.cut(),
  async () => {
    await add(writer, 15, 65);
    await remove(writer, [list.last().results[1]._id, list.last().results[5]._id]);
  },
  10,
  15,
  30,
  40,
  50,
);
const killed = await lost(
  () => step("kill and restart"),
  () => add(writer, 25, 55, 62),
  10,
  15,
  25,
  30,
  40,
  50,
  55,
);

// A page is asked for, and the answer does not come: it is asked for again.
const asking = wire.said.length;
const { through } = wire;
wire.through = (message, send) => {
  send(message);
  wire.through = through;
  wire.cut();
};
list.last().loadMore(2);
await until("the page to be asked for", () => wire.asked("Add", asking).length > 0);
await shows(10, 15, 25, 30, 40, 50, 55, 62, 65);
const statuses = list.renders.slice(loaded).map(({ status }) => status);

// One's own rows, sent while there is no connection.
wire.cut();
const own = add(client, 12, 95);
list.last().loadMore(9);
await own;
await shows(10, 12, 15, 25, 30, 40, 50, 55, 62, 65, 70, 80, 90, 95);

finish({
  cut,
  killed,
  statuses: [...new Set(statuses)],
  end: list.last().status,
  error: list.error?.message ?? null,
  connections: wire.opened,
});
