// Every kind of value, from the server, to it, through the database, and over HTTP.
import { ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import assert from "node:assert/strict";

import { connect, finish, url, within } from "./harness.mjs";

const client = connect();
const http = new ConvexHttpClient(url);
const bytes = (...values) => new Uint8Array(values).buffer;

// deepStrictEqual tells -0 from 0, 1n from 1, and takes NaN for NaN.
assert.deepStrictEqual(await within("kinds", client.query(api.values.kinds, {})), {
  null: null,
  true: true,
  integer: 3,
  fraction: 2.5,
  largest: 2 ** 53 - 1,
  minus_zero: -0,
  nan: NaN,
  infinity: Infinity,
  minus_infinity: -Infinity,
  int64: 2n ** 63n - 1n,
  int64_small: -7n,
  text: "grün 🌱 \u0000 \u2028",
  bytes: bytes(...Array(256).keys()),
  array: [1, [2, []]],
  object: { nested: { empty: {} } },
});

let depth = null;
for (let i = 0; i < 12; i++) depth = i % 2 ? [depth] : { inside: depth };

const values = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1.5,
  2 ** 53 - 1,
  -(2 ** 53 - 1),
  2 ** 53,
  1e300,
  5e-324,
  NaN,
  Infinity,
  -Infinity,
  0n,
  1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  "",
  "grün 🌱 \u0000 \u2028 \"quoted\"",
  bytes(),
  bytes(0, 255, 128),
  [],
  [1, 1n, "1", [bytes(1)]],
  {},
  { "": 0, "with space": -0, nested: { big: [5n, NaN] } },
  depth,
];
for (const value of values) {
  const { deepStrictEqual: same } = assert;
  same(await within("echo", client.query(api.values.echo, { value })), value, "over the socket");
  same(await within("HTTP", http.query(api.values.echo, { value })), value, "over HTTP");
  const box = await within("store", client.mutation(api.values.store, { value }));
  same(await within("stored", client.query(api.values.stored, { box })), value, "from the database");
}

const args = { whole: 3, ratio: 4, big: 5n, raw: bytes(1, 2), tags: ["a", "b"] };
const typed = await within("typed", client.query(api.values.typed, args));
const typedHttp = await within("HTTP", http.query(api.values.typed, { ...args, maybe: "set" }));

finish({ checked: values.length, typed, typedHttp });
