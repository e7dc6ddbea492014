// The mutations of the chat, with their optimistic updates: what the page shows at once, before
// the server has answered.  The server's result replaces it in one step, without a flicker.
import { insertAtTop, useMutation } from "convex/react";
import type { FunctionArgs } from "convex/server";
import { useCallback } from "react";

import { api } from "./_generated/api";
import type { Doc, Id } from "./_generated/dataModel";

const PENDING_PREFIX = "pending ";

/** True for a message that the server has not confirmed yet. */
export function isPending(message: Doc<"messages">): boolean {
  return message._id.startsWith(PENDING_PREFIX);
}

export function useSend() {
  const send = useMutation(api.messages.send);
  return useCallback(
    (args: FunctionArgs<typeof api.messages.send>) => {
      // An update is run again over every new result until the mutation is confirmed.  It must
      // draw the same row each time, so the id and the time are made here, once.
      const pending: Doc<"messages"> = {
        ...args,
        _id: (PENDING_PREFIX + crypto.randomUUID()) as Id<"messages">,
        _creationTime: Date.now(),
        likes: 0,
      };
      return send.withOptimisticUpdate((store, { channel }) => {
        const list = { paginatedQuery: api.messages.list, argsToMatch: { channel } };
        insertAtTop({ ...list, localQueryStore: store, item: pending });
      })(args);
    },
    [send],
  );
}

export function useLike() {
  const like = useMutation(api.messages.like);
  return useCallback(
    (args: FunctionArgs<typeof api.messages.like>) =>
      like.withOptimisticUpdate((store, { message }) => {
        for (const { args: listArgs, value } of store.getAllQueries(api.messages.list)) {
          if (value === undefined) continue;
          const page = value.page.map((one) => (one._id === message ? { ...one, likes: one.likes + 1 } : one));
          store.setQuery(api.messages.list, listArgs, { ...value, page });
        }
      })(args),
    [like],
  );
}
