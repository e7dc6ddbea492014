// Failures of functions: with data, without, over the socket and over HTTP.  None may cost the connection.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { ConvexError } from "convex/values";

import { connect, finish, rejection, until, url, within } from "./harness.mjs";

const DATA = [{ code: "full", seats: 3 }, "just text", null, [1, "two", null], 7.5, 10n];

const client = connect();
const http = new ConvexHttpClient(url);

// JSON has no bigint: the test compares these as text.
const show = (data) => (typeof data === "bigint" ? `${data}n` : data);
const describe = (error) =>
  error instanceof ConvexError ? { data: show(error.data) } : { message: error.message };
const failed = async (what, promise) => describe(await rejection(what, promise));

const withData = [];
for (const data of DATA) {
  withData.push({
    sent: show(data),
    mutation: await failed("a mutation", client.mutation(api.failures.mutation_with_data, { data })),
    query: await failed("a query", client.query(api.failures.query_with_data, { data })),
    httpMutation: await failed("HTTP", http.mutation(api.failures.mutation_with_data, { data })),
    httpQuery: await failed("HTTP", http.query(api.failures.query_with_data, { data })),
  });
}

const plain = {
  mutation: await failed("a mutation", client.mutation(api.failures.mutation_plain, {})),
  query: await failed("a query", client.query(api.failures.query_plain, {})),
  httpMutation: await failed("HTTP", http.mutation(api.failures.mutation_plain, {})),
  httpQuery: await failed("HTTP", http.query(api.failures.query_plain, {})),
  unknownMutation: await failed("an unknown mutation", client.mutation(api.failures.nothing, {})),
  unknownQuery: await failed("an unknown query", client.query(api.nothing.at_all, {})),
  unknownHttp: await failed("an unknown query", http.query(api.nothing.at_all, {})),
  queryAsMutation: await failed("a query as mutation", client.mutation(api.counters.get, { name: "x" })),
  missingArgument: await failed("a missing argument", client.mutation(api.messages.send, { author: "a" })),
  extraArgument: await failed("an extra argument", client.query(api.counters.get, { name: "x", more: 1 })),
  wrongType: await failed("a wrong type", client.query(api.counters.get, { name: 1 })),
};

// Nothing of a failed mutation remains.
await rejection("a mutation", client.mutation(api.messages.send_and_fail, { author: "a", body: "gone" }));
const messages = await within("a query", client.query(api.messages.list, {}));

// A live query fails and recovers as the data changes.
const name = "flip";
const live = [];
client.onUpdate(
  api.failures.while_odd,
  { name },
  (value) => live.push(value),
  (error) => live.push(describe(error)),
);
for (const entries of [1, 2, 3]) {
  await until(`live result number ${entries}`, () => live.length >= entries);
  if (entries < 3) await within("an addition", client.mutation(api.counters.add, { name }));
}

finish({ withData, plain, messages, live, connections: client.connectionState().connectionCount });
