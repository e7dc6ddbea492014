// The HTTP client, which server components and scripts use.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";

import { finish, url, within } from "./harness.mjs";

const client = new ConvexHttpClient(url);
const name = "http";

const before = await within("a query", client.query(api.counters.get, { name }));
const added = await within("a mutation", client.mutation(api.counters.add, { name, amount: 5 }));
const after = await within("a query", client.query(api.counters.get, { name }));

// All consistent queries of one client read the database as of the first one's moment.
const consistent = [await within("a consistent query", client.consistentQuery(api.counters.get, { name }))];
await within("a mutation", new ConvexHttpClient(url).mutation(api.counters.add, { name, amount: 1 }));
consistent.push(await within("a consistent query", client.consistentQuery(api.counters.get, { name })));
const latest = await within("a query", client.query(api.counters.get, { name }));

// Mutations of one client are queued, and run in the order in which they were called.
const queued = await within(
  "queued mutations",
  Promise.all([1, 2, 3].map(() => client.mutation(api.counters.add, { name: "queue" }))),
);

finish({ before, added, after, consistent, latest, queued });
