// People sign in at a real provider; the unmodified client proves who they are.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";

import { finish, pause, rejection, until, url, within } from "./harness.mjs";
import { Person, issuer, serve, signingKey } from "./provider.mjs";

const { rotate, close } = await serve({ keys: [signingKey("first")] });
const [ada, bob] = await Promise.all([new Person("ada").signIn(), new Person("bob").signIn()]);

function client() {
  const made = new ConvexClient(url);
  return { client: made, shown: [], changes: [] };
}
const [adas, bobs] = [client(), client()];
for (const each of [adas, bobs]) {
  each.client.onUpdate(api.notes.mine, {}, (notes) => each.shown.push(notes), (error) => each.shown.push(error.data));
}
await until("a refusal without a token", () => adas.shown.at(-1) === "sign in first");
const anonymous = await within("who", adas.client.query(api.notes.who, {}));
adas.client.setAuth(ada.fetchToken, (is) => adas.changes.push(is));
bobs.client.setAuth(bob.fetchToken, (is) => bobs.changes.push(is));
await until("notes of both", () => [adas, bobs].every(({ shown }) => Array.isArray(shown.at(-1))));
const owner = await within("adding", adas.client.mutation(api.notes.add, { text: "of ada" }));
await until("ada's note", () => adas.shown.at(-1)?.includes?.("of ada"));
const who = await within("who", adas.client.query(api.notes.who, {}));
const bobsWho = await within("who", bobs.client.query(api.notes.who, {}));
const counts = await Promise.all([adas, bobs].map((each) => within("count", each.client.query(api.notes.count, {}))));

// Over HTTP.
const http = new ConvexHttpClient(url);
const without = (await rejection("a mutation of nobody", http.mutation(api.notes.add, { text: "of nobody" }))).data;
http.setAuth(bob.held.id_token);
await within("bob over HTTP", http.mutation(api.notes.add, { text: "of bob" }));
await until("bob's note on his socket", () => bobs.shown.at(-1)?.includes?.("of bob"));
http.setAuth(bob.held.id_token.slice(0, -3) + "AAA");
const forged = (await rejection("a forged token", http.query(api.notes.mine, {}))).message;

// The provider changes its keys: tokens of the new one are accepted, without a restart.
rotate([signingKey("second")]);
const carol = await new Person("carol").signIn();
const carols = client();
carols.client.setAuth(carol.fetchToken, (is) => carols.changes.push(is));
carols.client.onUpdate(api.notes.mine, {}, (notes) => carols.shown.push(notes), () => {});
await until("carol's notes", () => Array.isArray(carols.shown.at(-1)));

// Signing out: the same socket is nobody again.
adas.client.client.clearAuth();
await until("ada signed out", () => adas.shown.at(-1) === "sign in first");
await pause(50);
await close();

finish({
  issuer,
  anonymous,
  owner,
  who,
  bobsWho: bobsWho.subject,
  counts,
  without,
  forged,
  adas: adas.shown,
  bobs: bobs.shown,
  changes: [adas.changes, bobs.changes, carols.changes],
  asked: ada.asked,
});
