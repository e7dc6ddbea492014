import { usePaginatedQuery } from "convex/react";

import { api } from "./_generated/api";
import type { Doc, Id } from "./_generated/dataModel";
import { isPending, useLike } from "./mutations";

const PAGE_MESSAGES = 30;

export function MessageList({ channel }: { channel: Id<"channels"> }) {
  const list = usePaginatedQuery(api.messages.list, { channel }, { initialNumItems: PAGE_MESSAGES });
  const { results: messages, status, loadMore } = list;

  if (status === "LoadingFirstPage") {
    return (
      <p className="hint" role="status">
        Loading…
      </p>
    );
  }
  if (messages.length === 0) {
    return (
      <p className="hint" data-testid="no-messages">
        Nothing here yet. Say hello!
      </p>
    );
  }
  // The newest comes first, and the style sheet stacks the list from the bottom up: the browser
  // then keeps the newest message in view by itself.
  return (
    <ol className="messages" data-testid="messages" aria-label="Messages, newest first" tabIndex={0}>
      {messages.map((message) => (
        <Message key={message._id} message={message} />
      ))}
      {status !== "Exhausted" && (
        <li className="earlier">
          <button
            type="button"
            data-testid="earlier"
            disabled={status !== "CanLoadMore"}
            onClick={() => loadMore(PAGE_MESSAGES)}
          >
            Earlier messages
          </button>
        </li>
      )}
    </ol>
  );
}

function Message({ message }: { message: Doc<"messages"> }) {
  const like = useLike();
  const pending = isPending(message);
  const sent = new Date(message._creationTime);

  return (
    <li className="message" data-testid="message" data-pending={pending}>
      <span className="avatar" aria-hidden="true" style={{ "--hue": hueOf(message.author) }}>
        {message.author.slice(0, 1).toUpperCase()}
      </span>
      <div className="message-text">
        <p className="message-head">
          <strong data-testid="message-author">{message.author}</strong>
          {pending ? (
            <span>sending…</span>
          ) : (
            <time dateTime={sent.toISOString()}>
              {sent.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}
            </time>
          )}
        </p>
        <p className="message-body" data-testid="message-body">
          {message.body}
        </p>
      </div>
      <button
        type="button"
        className="like"
        data-testid="like"
        data-liked={message.likes > 0}
        disabled={pending}
        aria-label={`Like this message of ${message.author}. Likes: ${message.likes}`}
        // The only failure that is not an outage: the message is gone, and then so is this button.
        onClick={() => void like({ message: message._id }).catch(console.error)}
      >
        <span aria-hidden="true">♥</span>
        <span data-testid="likes">{message.likes}</span>
      </button>
    </li>
  );
}

/** A colour that stays with a name. */
function hueOf(name: string): number {
  return [...name].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 360, 7);
}
