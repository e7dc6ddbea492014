// Two clients write at the same time.  Both must see one order, and only ever more of it.
import { anyApi as api } from "convex/server";

import { connect, finish, until, within } from "./harness.mjs";

const MESSAGES_EACH = 25;

const clients = [connect(), connect()];
const seen = clients.map(() => []);
clients.forEach((client, n) =>
  client.onUpdate(api.messages.list, {}, (messages) => seen[n].push(messages.map(({ body }) => body))),
);
await until("the first results", () => seen.every((lists) => lists.length > 0));

const sends = [];
for (let i = 0; i < MESSAGES_EACH; i++) {
  clients.forEach((client, n) =>
    sends.push(client.mutation(api.messages.send, { author: `${n}`, body: `${n}: ${i}` })),
  );
}
await within("all messages to be sent", Promise.all(sends));
await until("both to see all", () => seen.every((lists) => lists.at(-1).length === 2 * MESSAGES_EACH));

finish({ each: MESSAGES_EACH, seen });
