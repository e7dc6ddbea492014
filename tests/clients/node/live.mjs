// A subscription follows mutations: one's own, another client's, and those over HTTP.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";

import { connect, finish, until, url, within } from "./harness.mjs";

const [watching, writing] = [connect(), connect()];
const seen = [];
const stop = watching.onUpdate(api.messages.list, {}, (messages) => {
  seen.push(messages.map(({ body }) => body));
});
await until("the first result", () => seen.length > 0);

const id = await within("a mutation", watching.mutation(api.messages.send, { author: "a", body: "own" }));
// Its promise is resolved by the very result that contains what it did, never before.
const atOnce = seen.at(-1);
await within("a mutation", writing.mutation(api.messages.send, { author: "b", body: "of another" }));
await until("the other's message", () => seen.at(-1).includes("of another"));
await within("HTTP", new ConvexHttpClient(url).mutation(api.messages.send, { author: "c", body: "by HTTP" }));
await until("the message sent by HTTP", () => seen.at(-1).includes("by HTTP"));

stop();
const before = seen.length;
await within("a mutation", watching.mutation(api.messages.send, { author: "a", body: "unwatched" }));
const [message] = await within("a query", watching.query(api.messages.list, {}));

finish({ seen, atOnce, afterUnsubscribe: seen.length - before, id, message });
