import { ConvexError } from "convex/values";

/**
 * What to tell the user about something that failed.
 *
 * `raise ApplicationError({"code": ..., "message": ...})` on the server arrives here as a `ConvexError` with that
 * data, and so does what a rate limit refuses.  Anything else is a bug or an outage, which the user cannot mend.
 */
export function explain(error: unknown): string {
  if (error instanceof ConvexError) {
    const { kind, retryAfter, message } = error.data ?? {};
    if (kind === "RateLimited") return `Not so fast: try again in ${Math.ceil(retryAfter / 1000)} s.`;
    if (typeof message === "string") return message;
  }
  console.error(error);
  return "Something went wrong. Please try again.";
}
