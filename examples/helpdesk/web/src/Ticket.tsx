import { useConvexConnectionState, useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useEffect, useState, type FormEvent } from "react";

import { api } from "./_generated/api";
import type { Id } from "./_generated/dataModel";
import { Urgency } from "./TicketList";
import { Attachments } from "./Attachments";
import { explain } from "./errors";

type Details = NonNullable<FunctionReturnType<typeof api.tickets.details>>;

const REMINDER_S = 6;
/** What the states of a scheduled function mean here. */
const REMINDERS: Record<string, string> = { pending: "waits", success: "given", canceled: "taken back" };

export function Ticket({ id }: { id: string }) {
  const found = useQuery(api.tickets.details, { ticket: id });

  if (found === undefined) return <p className="hint">Loading…</p>;
  if (found === null) return <p className="hint" data-testid="no-ticket">There is no such ticket.</p>;
  return <Shown details={found} />;
}

function Shown({ details }: { details: Details }) {
  const { ticket, body, comments } = details;
  const setState = useMutation(api.tickets.set_state);
  const remind = useMutation(api.tickets.remind);
  const forget = useMutation(api.tickets.forget_reminder);
  const [problem, setProblem] = useState<string>();
  const attempt = (promise: Promise<unknown>) =>
    void promise.then(
      () => setProblem(undefined),
      (error: unknown) => setProblem(explain(error)),
    );
  const solved = ticket.state === "solved";

  return (
    <article className="ticket">
      <header>
        <div className="ticket-head">
          <h2 data-testid="shown-title">{ticket.title}</h2>
          <Viewers ticket={ticket.id} />
        </div>
        <p className="facts">
          <Urgency urgency={ticket.urgency} solved={solved} />
          <span data-testid="state">{ticket.state}</span>
          <span>by {ticket.author}</span>
          {!solved && details.aheadOf > 0 && <span data-testid="ahead">ahead of {details.aheadOf} less urgent</span>}
          {ticket.topic != null && (
            <em className="topic" data-testid="topic">
              {ticket.topic}
            </em>
          )}
        </p>
      </header>
      <div className="actions">
        <button
          type="button"
          data-testid="solve"
          onClick={() => attempt(setState({ ticket: ticket.id, state: solved ? "open" : "solved" }))}
        >
          {solved ? "Open again" : "Mark as solved"}
        </button>
        {details.reminder === "pending" ? (
          <button type="button" data-testid="forget" onClick={() => attempt(forget({ ticket: ticket.id }))}>
            Forget the reminder
          </button>
        ) : (
          <button
            type="button"
            data-testid="remind"
            onClick={() => attempt(remind({ ticket: ticket.id, seconds: REMINDER_S }))}
          >
            Remind me in {REMINDER_S} s
          </button>
        )}
        {details.reminder !== null && (
          <small>
            reminder{" "}
            <span data-testid="reminder">{REMINDERS[details.reminder] ?? details.reminder}</span>
          </small>
        )}
      </div>
      {problem !== undefined && (
        <p className="problem" role="alert" data-testid="problem">
          {problem}
        </p>
      )}
      {body !== "" && <p className="text">{body}</p>}
      <Attachments ticket={ticket.id} attachments={details.attachments} />
      <Similar ticket={ticket.id} />
      <section>
        <h3>Conversation</h3>
        <ol className="comments" data-testid="comments">
          {comments.map((comment) => (
            <li key={comment._id} data-testid="comment">
              <strong>{comment.author}</strong>
              <span className="text">{comment.body}</span>
            </li>
          ))}
        </ol>
        <Answer ticket={ticket.id} />
      </section>
    </article>
  );
}

/** Who else looks at this ticket.  Nothing is sent but once: the server knows when a session ends. */
function Viewers({ ticket }: { ticket: Id<"tickets"> }) {
  const look = useMutation(api.presence.look);
  const lookAway = useMutation(api.presence.look_away);
  const people = useQuery(api.presence.looking, { ticket });
  const { connectionCount } = useConvexConnectionState();

  // A server that was restarted has ended all sessions: with each new connection we say again that we are here.
  useEffect(() => {
    void look({ ticket }).catch(console.warn);
    return () => void lookAway({ ticket }).catch(console.warn);
  }, [look, lookAway, ticket, connectionCount]);

  return (
    <ul className="viewers" data-testid="viewers" aria-label="Looking at this now">
      {people?.map(({ user, sessions }) => (
        <li key={user} data-testid="viewer" data-sessions={sessions} title={`${user} is looking at this now`}>
          {user}
        </li>
      ))}
    </ul>
  );
}

function Similar({ ticket }: { ticket: Id<"tickets"> }) {
  const similar = useQuery(api.tickets.similar, { ticket });
  if (similar === undefined || similar.length === 0) return null;
  return (
    <section>
      <h3>Similar tickets</h3>
      <ul className="similar">
        {similar.map(({ ticket: other, score }) => (
          <li key={other.id}>
            <a href={`#${other.id}`} data-testid="similar">
              {other.title}
            </a>
            <small>
              {other.state}, {Math.round(score * 100)} % alike
            </small>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Answer({ ticket }: { ticket: Id<"tickets"> }) {
  const comment = useMutation(api.tickets.comment);
  const [body, setBody] = useState("");
  const [problem, setProblem] = useState<string>();

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBody("");
    try {
      await comment({ ticket, body });
      setProblem(undefined);
    } catch (error) {
      setProblem(explain(error));
      setBody((current) => current || body);
    }
  }

  return (
    <form className="answer" onSubmit={submit}>
      <input
        aria-label="Answer"
        placeholder="Answer"
        data-testid="answer"
        value={body}
        onChange={(event) => setBody(event.target.value)}
      />
      <button type="submit" className="primary">
        Send
      </button>
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
