import { useConvexAuth, useQuery } from "convex/react";
import { useDeferredValue, useState } from "react";
import { useAuth } from "react-oidc-context";

import { api } from "./_generated/api";
import type { Doc } from "./_generated/dataModel";
import { ConnectionState } from "./ConnectionState";
import { NewTicket } from "./NewTicket";
import { Report } from "./Report";
import { Ticket } from "./Ticket";
import { TicketList } from "./TicketList";
import { useHash } from "./browser";

export function App({ address }: { address: string }) {
  const { isAuthenticated, isLoading } = useConvexAuth();
  const provider = useAuth();

  if (!isAuthenticated) {
    return (
      <main className="welcome">
        <span className="brand-mark" aria-hidden="true" />
        <h1>Help desk</h1>
        <p>Tickets that find each other, answers that arrive by themselves.</p>
        {provider.error !== undefined && (
          <p className="problem" role="alert">
            {provider.error.message}
          </p>
        )}
        <button
          type="button"
          className="primary"
          data-testid="sign-in"
          disabled={isLoading || provider.isLoading}
          onClick={() => void provider.signinRedirect()}
        >
          {isLoading || provider.isLoading ? "One moment…" : "Sign in"}
        </button>
      </main>
    );
  }
  return <Desk address={address} />;
}

function Desk({ address }: { address: string }) {
  const provider = useAuth();
  const [words, setWords] = useState("");
  const [state, setState] = useState<Doc<"tickets">["state"]>();
  const searched = useDeferredValue(words); // Whoever types fast searches for what is there in the end.
  const tickets = useQuery(api.tickets.find, state === undefined ? { words: searched } : { words: searched, state });
  const selected = useHash();
  const name = provider.user?.profile.name ?? provider.user?.profile.sub ?? "";

  return (
    <div className="page">
      <aside className="sidebar">
        <header className="sidebar-head">
          <h1 className="brand">
            <span className="brand-mark" aria-hidden="true" />
            Help desk
          </h1>
          <Counts />
        </header>
        <input
          type="search"
          aria-label="Search tickets"
          placeholder="Search tickets"
          data-testid="search"
          value={words}
          onChange={(event) => setWords(event.target.value)}
        />
        <div className="tabs" role="group" aria-label="State">
          {([undefined, "open", "solved"] as const).map((one) => (
            <button
              key={one ?? "all"}
              type="button"
              aria-pressed={one === state}
              data-testid={`filter-${one ?? "all"}`}
              onClick={() => setState(one)}
            >
              {one ?? "all"}
            </button>
          ))}
        </div>
        <TicketList tickets={tickets} selected={selected} searching={words.trim() !== ""} />
        <footer className="sidebar-foot">
          <Report address={address} />
          <div className="who">
            <ConnectionState address={address} />
            <span className="spacer" />
            <strong data-testid="me">{name}</strong>
            <button type="button" className="link" data-testid="sign-out" onClick={() => void provider.removeUser()}>
              Sign out
            </button>
          </div>
        </footer>
      </aside>
      <main className="main">{selected === "" ? <NewTicket /> : <Ticket key={selected} id={selected} />}</main>
    </div>
  );
}

/** From the aggregate; below, what the cron wrote last. */
function Counts() {
  const counts = useQuery(api.tickets.counts);
  const digest = useQuery(api.digests.newest);
  if (counts === undefined) return null;
  return (
    <div className="counts">
      <span>
        <b data-testid="count-open">{counts.open}</b> open
      </span>
      <span>
        <b data-testid="count-solved">{counts.solved}</b> solved
      </span>
      <span>
        <b data-testid="count-urgent">{counts.urgent}</b> urgent
      </span>
      {digest != null && (
        <small data-testid="digest" title="Written down by a cron, every minute">
          digest of {clock(digest._creationTime)}: {digest.open} open
        </small>
      )}
    </div>
  );
}

function clock(milliseconds: number): string {
  return new Date(milliseconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
