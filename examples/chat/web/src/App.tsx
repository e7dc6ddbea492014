import { useMutation, useQuery } from "convex/react";
import { useEffect } from "react";

import { api } from "./_generated/api";
import { ChannelPicker } from "./ChannelPicker";
import { Composer } from "./Composer";
import { ConnectionState } from "./ConnectionState";
import { MessageList } from "./MessageList";
import { useHash, useStoredText } from "./browser";

const FIRST_CHANNEL = "general";

export function App({ address }: { address: string }) {
  const channels = useQuery(api.channels.list);
  const openChannel = useMutation(api.channels.get_or_create);
  const [author, setAuthor] = useStoredText("relive-chat-author", guestName);
  const wanted = useHash();
  const channel = channels?.find(({ name }) => name === wanted) ?? channels?.[0];

  // A new database has no channel yet.  Several pages may notice that at once, and React runs an
  // effect twice in development: `get_or_create` makes one channel all the same.
  const isEmpty = channels?.length === 0;
  useEffect(() => {
    if (isEmpty) void openChannel({ name: FIRST_CHANNEL });
  }, [isEmpty, openChannel]);

  return (
    <div className="page">
      <aside className="sidebar">
        <h1 className="brand">
          <span className="brand-mark" aria-hidden="true" />
          relive chat
        </h1>
        <ChannelPicker channels={channels ?? []} selected={channel?._id} />
        <footer className="sidebar-foot">
          <label className="field">
            Your name
            <input
              data-testid="author"
              value={author}
              maxLength={40}
              onChange={(event) => setAuthor(event.target.value)}
            />
          </label>
          <ConnectionState address={address} />
        </footer>
      </aside>
      <main className="conversation">
        {channel === undefined ? (
          <p className="hint" role="status">
            Waiting for the server…
          </p>
        ) : (
          <>
            <header className="conversation-head">
              <h2 data-testid="channel-title"># {channel.name}</h2>
              <p>Everyone who has this page open sees each message as it is sent.</p>
            </header>
            {/* A key of its own per channel: drafts and errors stay with the channel they belong to. */}
            <MessageList key={`list ${channel._id}`} channel={channel._id} />
            <Composer key={`composer ${channel._id}`} channel={channel} author={author} />
          </>
        )}
      </main>
    </div>
  );
}

function guestName(): string {
  return `guest ${Math.floor(100 + Math.random() * 900)}`;
}
