// The server is killed while mutations are in flight, and started again on the same data.
import { anyApi as api } from "convex/server";

import { connect, finish, pause, step, until, within } from "./harness.mjs";

const BURST = 5;
const BURST_PAUSE_MS = 10;
const CONFIRMED_BEFORE_KILL = 20;
const SENT_MAX = 400;

const client = connect();
let shown = [];
client.onUpdate(api.messages.list, {}, (messages) => {
  shown = messages.map(({ body }) => Number(body));
});

// Send without a pause through the kill and the restart, so that at every moment of it some
// mutations are unsent, some are sent, and some are committed but not yet answered.
const sends = [];
let confirmed = 0;
let killing = undefined;
let restarted = false;
while (sends.length < SENT_MAX && !restarted) {
  for (let i = 0; i < BURST; i++) {
    const send = client.mutation(api.messages.send, { author: "node", body: `${sends.length}` });
    sends.push(send.then(() => void (confirmed += 1)));
  }
  if (killing === undefined && confirmed >= CONFIRMED_BEFORE_KILL) {
    killing = step("kill and restart").then(() => void (restarted = true));
  }
  await pause(BURST_PAUSE_MS);
}
if (killing === undefined) throw new Error(`only ${confirmed} of ${sends.length} mutations were confirmed`);
await within("the restart", killing);
await within(`all ${sends.length} mutations`, Promise.all(sends));
await until("the live query to show all of them", () => shown.length >= sends.length);

const fresh = await within("a fresh client", connect().query(api.messages.list, {}));

finish({
  sent: sends.length,
  shown,
  stored: fresh.map(({ body }) => Number(body)),
  connections: client.connectionState().connectionCount,
});
