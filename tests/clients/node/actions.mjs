// Actions over the socket and over HTTP, and one in flight while the server is killed.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";

import { connect, finish, rejection, step, until, url, within } from "./harness.mjs";

const client = connect();
let shown = 0;
client.onUpdate(api.counters.get, { name: "hung" }, (value) => (shown = value));

const counted = await within("an action", client.action(api.outside.count, { name: "a" }));
const together = await within(
  "actions at once",
  Promise.all([1, 2, 3].map(() => client.action(api.outside.count, { name: "b" }))),
);
const overHttp = await within("over HTTP", new ConvexHttpClient(url).action(api.outside.count, { name: "a" }));
const refused = await rejection("a refusal", client.action(api.outside.refuse, { data: { code: 7 } }));

const hung = rejection("an action that is cut off", client.action(api.outside.hang, { name: "hung" }));
await until("it to begin", () => shown === 1);
await step("kill and restart");
const lost = await hung;
const after = await within("an action afterwards", client.action(api.outside.count, { name: "a" }));

finish({ counted, together: together.sort(), overHttp, refused: refused.data, lost: lost.message, after, shown });
