// What every script here needs: the server's address, a way to talk to the test that runs it, and
// a wait that says what it waited for.
import { ConvexClient } from "convex/browser";
import { ConvexReactClient } from "convex/react";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

const WAIT_MS_MAX = 15_000;
const POLL_MS = 5;

export const url = process.env.RELIVE_URL;

/** A client as a page without a framework uses it. */
export function connect() {
  return new ConvexClient(url);
}

/** A client as React uses it, but without React: `watchQuery` is what `useQuery` calls. */
export function connectReact() {
  return new ConvexReactClient(url, { webSocketConstructor: WebSocket, unsavedChangesWarning: false });
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Ask the test to do something to the server; returns when it is done. */
export async function step(name) {
  console.log(JSON.stringify({ step: name }));
  await answers.next();
}

/** Give the result and end, whatever is still connected. */
export function finish(result) {
  process.stdout.write(JSON.stringify({ result }) + "\n", () => process.exit(0));
}

/** Wait until `condition()` is true.  Says what was missing if that takes too long. */
export async function until(what, condition) {
  const deadline = Date.now() + WAIT_MS_MAX;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS_MAX} ms in vain for: ${what}`);
    await pause(POLL_MS);
  }
}

/** A promise that must settle.  Says which one did not, instead of hanging. */
export async function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    const message = `waited ${WAIT_MS_MAX} ms in vain for: ${what}`;
    timer = setTimeout(() => reject(new Error(message)), WAIT_MS_MAX);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The error a promise is rejected with. */
export async function rejection(what, promise) {
  try {
    await within(what, promise);
  } catch (error) {
    return error;
  }
  throw new Error(`${what} succeeded, but should have failed`);
}
