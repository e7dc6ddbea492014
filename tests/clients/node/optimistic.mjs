// Optimistic updates: what a page shows, from the click to the confirmation, in order.
import { anyApi as api } from "convex/server";

import { connect, connectReact, finish, rejection, until, within } from "./harness.mjs";

const ADDS = 30;

const client = connectReact();

/** Every value that a component with `useQuery` would have drawn. */
function record(query, args, look) {
  const watch = client.watchQuery(query, args);
  const seen = [];
  watch.onUpdate(() => {
    const value = watch.localQueryResult();
    if (value !== undefined) seen.push(look(value));
  });
  return seen;
}

function showPending(args) {
  return (store) => {
    const shown = store.getQuery(api.messages.list, {}) ?? [];
    store.setQuery(api.messages.list, {}, [...shown, { ...args, _id: "pending", _creationTime: 0 }]);
  };
}

const rows = record(api.messages.list, {}, (messages) =>
  messages.map(({ _id, body }) => (_id === "pending" ? `${body} (pending)` : body)),
);
await until("the first result", () => rows.length > 0);

// Three at once, so that results arrive while later ones are still pending.
const sends = ["one", "two", "three"].map((body) => {
  const args = { author: "a", body };
  return client.mutation(api.messages.send, args, { optimisticUpdate: showPending(args) });
});
const atOnce = rows.at(-1);
await within("three messages", Promise.all(sends));
const settled = rows.at(-1);

const refused = { author: "a", body: "refused" };
const update = { optimisticUpdate: showPending(refused) };
const error = await rejection("send_and_fail", client.mutation(api.messages.send_and_fail, refused, update));
const rolledBack = rows.at(-1);

// Two clients add to one counter.  A result that held an addition without its optimistic update
// being dropped, or the other way round, would show as a step up too far and then back.
const other = connect();
const name = "shared";
const values = record(api.counters.get, { name }, (value) => value);
await until("the counter", () => values.length > 0);
const adds = [];
for (let i = 0; i < ADDS; i++) {
  adds.push(other.mutation(api.counters.add, { name }));
  adds.push(
    client.mutation(
      api.counters.add,
      { name },
      {
        optimisticUpdate: (store) => {
          const value = store.getQuery(api.counters.get, { name });
          if (value !== undefined) store.setQuery(api.counters.get, { name }, value + 1);
        },
      },
    ),
  );
}
await within("all additions", Promise.all(adds));
await until("the sum", () => values.at(-1) === 2 * ADDS);

finish({ rows, atOnce, settled, rolledBack, errorData: error.data, values, sum: 2 * ADDS });
