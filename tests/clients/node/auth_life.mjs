// The life of a token: refused and replaced, refreshed before it ends, and kept over lost connections.
import { ConvexClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { ConvexProviderWithAuth, ConvexReactClient, useConvexAuth, useQuery } from "convex/react";
import { createElement as h } from "react";
import { act, create } from "react-test-renderer";
import { WebSocket } from "ws";

import { finish, step, until, url, within } from "./harness.mjs";
import { Person, serve, signingKey } from "./provider.mjs";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
console.error = () => {}; // What the client says of refused tokens.
// The client refreshes ten seconds before the end: these after about two.
const { close } = await serve({ keys: [signingKey("only")], lifetime: 12 });

// The first token is of another provider that pretends to be this one; the one asked for after that is good.
const ada = await new Person("ada").signIn();
const genuine = ada.held.id_token;
ada.held.id_token = genuine.slice(0, genuine.lastIndexOf(".") + 1) + "c2lnbmVkIGJ5IG5vYm9keQ";
const client = new ConvexClient(url);
const seen = { who: [], changes: [] };
client.onUpdate(api.notes.who, {}, (identity) => seen.who.push(identity?.subject ?? null));
client.setAuth(ada.fetchToken, (is) => seen.changes.push(is));
await until("ada", () => seen.who.at(-1) === "ada");
const afterRefusal = [...ada.asked];

// The same in React, as its hooks show it.
const bob = await new Person("bob").signIn();
const react = new ConvexReactClient(url, { webSocketConstructor: WebSocket, unsavedChangesWarning: false });
const states = [];
const useAuth = () => ({ isLoading: false, isAuthenticated: true, fetchAccessToken: bob.fetchToken });
function Page() {
  const { isLoading, isAuthenticated } = useConvexAuth();
  const who = useQuery(api.notes.who, isAuthenticated ? {} : "skip");
  states.push([isLoading, isAuthenticated, who === undefined ? "..." : (who?.subject ?? null)]);
  return null;
}
await act(async () => create(h(ConvexProviderWithAuth, { client: react, useAuth }, h(Page))));
const settled = async (what, condition) => until(what, () => (act(() => {}), condition()));
await settled("bob in React", () => states.at(-1)?.[2] === "bob");

await within("a mutation", client.mutation(api.notes.add, { text: "before" }));
await step("kill the server and start it again");
await within("a mutation after the restart", client.mutation(api.notes.add, { text: "after" }));
const mine = await within("notes", client.query(api.notes.mine, {}));
await settled("bob after the restart", () => states.at(-1)?.[2] === "bob");

const asked = ada.asked.length;
await until("a refresh before the token ends", () => ada.asked.length > asked);
const still = await within("who", client.query(api.notes.who, {}));
await close();
finish({ who: seen.who, changes: seen.changes, afterRefusal, states, mine, still: still.subject });
