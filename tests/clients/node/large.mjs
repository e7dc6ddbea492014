// Results and arguments beyond the default limits of WebSocket libraries.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";

import { connect, finish, until, url, within } from "./harness.mjs";

// 15 MB of bytes are a message of 20 MB in base64.
const BYTES = 58_594 * 256;
const CHARACTERS = 3_000_000;

const client = connect();
const http = new ConvexHttpClient(url);

let live;
client.onUpdate(api.large.blob, { size: BYTES }, (blob) => (live = blob));
await until("a large live result", () => live !== undefined);
const last = new Uint8Array(live).at(-1);

const text = "é".repeat(CHARACTERS);
finish({
  bytes: BYTES,
  live: live.byteLength,
  last,
  http: (await within("a large HTTP result", http.query(api.large.blob, { size: BYTES }))).byteLength,
  characters: CHARACTERS,
  measured: await within("large arguments", client.mutation(api.large.measure, { text })),
  measuredHttp: await within("large HTTP arguments", http.mutation(api.large.measure, { text })),
  connections: client.connectionState().connectionCount,
});
