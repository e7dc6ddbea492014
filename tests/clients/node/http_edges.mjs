// The HTTP client with credentials, right and wrong, and with calls that no function answers.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api, makeFunctionReference } from "convex/server";
import { ConvexError } from "convex/values";

import { finish, rejection, url, within } from "./harness.mjs";

const key = process.env.RELIVE_ADMIN_KEY;
const lines = [];
const say = (...texts) => lines.push(texts.join(" "));
const logger = { logVerbose() {}, log: say, warn: say, error: say };

async function failure(what, setUp, reference, args) {
  const client = new ConvexHttpClient(url, { logger });
  setUp(client);
  const error = await rejection(what, client.query(reference, args));
  return error instanceof ConvexError ? { data: error.data } : { message: error.message };
}

const nobody = () => {};
const name = { name: "edges" };
const admin = new ConvexHttpClient(url, { logger });
admin.setAdminAuth(key);
const acting = new ConvexHttpClient(url, { logger });
acting.setAdminAuth(key, { subject: "s", issuer: "i", tokenIdentifier: "i|s", name: "Zoë" });

finish({
  byAdmin: await within("a query", admin.query(api.counters.get, name)),
  byAdminActing: await within("a query", acting.query(api.counters.get, name)),
  anyKind: await within("a function", admin.function(api.counters.add, undefined, name)),
  component: (await rejection("a component", admin.function(api.counters.add, "part", name))).message,
  internal: await within("an internal function", admin.query(api.failures.internal, {})),
  plainForAdmin: (await rejection("a failure", admin.query(api.failures.query_plain, {}))).message,
  plain: await failure("a failure", nobody, api.failures.query_plain, {}),
  withData: await failure("a failure", nobody, api.failures.query_with_data, { data: { code: 5 } }),
  hidden: await failure("an internal function", nobody, api.failures.internal, {}),
  badPath: await failure("a bad path", nobody, makeFunctionReference("a b:c"), {}),
  wrongKey: await failure("a wrong key", (client) => client.setAdminAuth("some|thing"), api.counters.get, name),
  token: await failure("a token", (client) => client.setAuth("a.b.c"), api.counters.get, name),
  action: (await rejection("an action", admin.action(api.counters.get, name))).message,
  announced: await within("a mutation", admin.mutation(api.messages.announce, { text: "hello" })),
  lines,
});
