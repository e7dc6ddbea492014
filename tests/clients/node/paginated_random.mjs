// Lists on screen while posts come, move and go, pages are loaded, and connections are cut.  Gives
// everything that was said and drawn; the test knows what may have been.
import { usePaginatedQuery, usePaginatedQuery_experimental, useQuery } from "convex/react";
import { anyApi as api } from "convex/server";

import { draw } from "./draw.mjs";
import { finish, pause, step, until, within } from "./harness.mjs";
import { Wire } from "./wire.mjs";

const OPERATIONS = 240;
const RANKS = 12;
const ROWS = 26;

let state = Number(process.env.RELIVE_SEED);

/** A whole number below `count`: the same ones for the same seed (mulberry32). */
function below(count) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % count;
}

const among = (list) => list[below(list.length)];

const reading = new Wire();
const writing = new Wire();
const client = reading.connectReact();
const writer = writing.connect();

const lists = [
  { name: "up", args: { where: { board: "a" } }, initialNumItems: 2 },
  {
    name: "down",
    args: { where: { board: "a" }, order: "desc" },
    initialNumItems: 3,
    hook: usePaginatedQuery_experimental,
  },
  { name: "visible", args: { where: { board: "a", least: 3, visible: true } }, initialNumItems: 2 },
  { name: "above", args: { where: { board: "a", least: 6 }, order: "desc" }, initialNumItems: 4 },
];
for (const list of lists) {
  const { args, initialNumItems, hook = usePaginatedQuery } = list;
  list.drawing = draw(client, () => ({
    ...hook(api.posts.list, args, { initialNumItems }),
    whole: useQuery(api.posts.whole, args),
  }));
}

let posts = [];
const writes = [];

function write(client, reference, args) {
  const done = client.mutation(reference, args);
  writes.push(done);
  return done;
}

const operations = {
  async add(from) {
    const ranks = Array.from({ length: 1 + below(3) }, () => below(RANKS));
    posts.push(...(await write(from, api.posts.add, { board: "a", ranks, hidden: below(4) === 0 })));
  },
  async change(from) {
    if (posts.length === 0) return;
    await write(from, api.posts.change, { id: among(posts)._id, rank: below(RANKS), hidden: below(4) === 0 });
  },
  async remove(from) {
    const gone = posts.splice(below(posts.length + 1), 1 + below(2));
    if (gone.length > 0) await write(from, api.posts.remove, { ids: gone.map(({ _id }) => _id) });
  },
};

function load() {
  among(lists)
    .drawing.last()
    ?.loadMore(1 + below(3));
}

await operations.add(writer);
for (let n = 1; n <= OPERATIONS; n++) {
  const kind = posts.length > ROWS ? "remove" : among(["add", "add", "change", "change", "remove"]);
  const done = operations[kind](among([client, writer]));
  if (below(3) === 0) load();
  if (below(2) === 0) await within("a write", done);
  if (below(3) === 0) await pause(below(4));
  if (n % 80 === 40) among([reading, writing, reading]).cut();
  if (n === 120) await step("kill and restart");
}
await within("all writes", Promise.all(writes));

// At rest, and read to the end, every list is the whole list.
for (const { drawing, name } of lists) {
  const settled = () => until(`a page of ${name}`, () => !drawing.last().isLoading);
  for (await settled(); drawing.last().status !== "Exhausted"; await settled()) {
    const drawn = drawing.renders.length;
    drawing.last().loadMore(3);
    await until(`the next page of ${name}`, () => drawing.renders.length > drawn);
  }
  const ids = (rows) => `${rows.map(({ _id, rank }) => [_id, rank])}`;
  await until(`${name} to be the whole list`, () => ids(drawing.last().results) === ids(drawing.last().whole));
}

finish({
  reading: reading.said,
  writing: writing.said,
  lists: lists.map(({ name, args, initialNumItems, drawing }) => ({
    name,
    args,
    initialNumItems,
    error: drawing.error?.message ?? null,
    drawn: drawing.renders.map(({ status, results, whole }) => ({
      status,
      results: results.map(({ _id, rank }) => [_id, rank]),
      whole: whole?.map(({ _id, rank }) => [_id, rank]) ?? null,
    })),
  })),
});
