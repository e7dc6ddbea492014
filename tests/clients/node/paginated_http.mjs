// Pages without a subscription: over HTTP, and with the plain client, each to the end.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";

import { connect, finish, rejection, url, within } from "./harness.mjs";

const http = new ConvexHttpClient(url);
const client = connect();
const ranks = Array.from({ length: 23 }, (_, n) => (n * 7) % 23);
await within("adding", client.mutation(api.posts.add, { board: "a", ranks }));

/** The pages of a list, each from where the one before ended. */
async function pages(reader, args, numItems) {
  const found = [];
  for (let cursor = null; ;) {
    const paginationOpts = { numItems, cursor };
    const page = await within("a page", reader.query(api.posts.list, { ...args, paginationOpts }));
    found.push(page.page.map(({ _id }) => _id));
    if (page.isDone) return found;
    cursor = page.continueCursor;
  }
}

const lists = [];
for (const args of [
  { where: { board: "a" } },
  { where: { board: "a", least: 4 }, order: "desc" },
  { where: { board: "nobody's" } },
]) {
  const whole = (await within("the list", http.query(api.posts.whole, args))).map(({ _id }) => _id);
  lists.push({ whole, http: await pages(http, args, 5), socket: await pages(client, args, 4) });
}

// The cursor of one list is none of another.
const first = { where: { board: "a" }, paginationOpts: { numItems: 2, cursor: null } };
const { continueCursor } = await within("a page", http.query(api.posts.list, first));
const wrong = { where: { board: "b" }, paginationOpts: { numItems: 2, cursor: continueCursor } };
const overHttp = await rejection("another list's cursor", http.query(api.posts.list, wrong));
const overSocket = await rejection("another list's cursor", client.query(api.posts.list, wrong));

finish({ lists, failures: [overHttp, overSocket].map(({ data }) => data ?? null) });
