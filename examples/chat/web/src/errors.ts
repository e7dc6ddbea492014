import { ConvexError } from "convex/values";

/**
 * What to tell the user about a failed mutation.
 *
 * `raise ApplicationError({"code": ..., "message": ...})` on the server arrives here as a
 * `ConvexError` with that data.  Anything else is a bug or an outage, which the user cannot mend.
 */
export function explain(error: unknown): string {
  if (error instanceof ConvexError && typeof error.data?.message === "string") return error.data.message;
  console.error(error);
  return "Something went wrong on the server. Please try again.";
}
