import type { FunctionReturnType } from "convex/server";

import { api } from "./_generated/api";

type Summary = FunctionReturnType<typeof api.tickets.find>[number];

interface Props {
  tickets: Summary[] | undefined;
  selected: string;
  searching: boolean;
}

export function TicketList({ tickets, selected, searching }: Props) {
  return (
    <nav className="tickets" aria-label="Tickets">
      <a className="new" href="#" data-testid="new-ticket" aria-current={selected === "" ? "page" : undefined}>
        + New ticket
      </a>
      {tickets?.length === 0 && (
        <p className="hint" data-testid="nothing">
          {searching ? "No ticket has these words." : "No tickets yet."}
        </p>
      )}
      <ul data-testid="tickets">
        {tickets?.map((ticket) => (
          <li key={ticket.id}>
            <a
              href={`#${ticket.id}`}
              aria-current={ticket.id === selected ? "page" : undefined}
              data-testid="ticket"
              data-state={ticket.state}
            >
              <Urgency urgency={ticket.urgency} solved={ticket.state === "solved"} />
              <span className="ticket-title" data-testid="ticket-title">
                {ticket.title}
              </span>
              <small>
                {ticket.author}
                {ticket.topic != null && <em>{ticket.topic}</em>}
              </small>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

export function Urgency({ urgency, solved }: { urgency: number; solved: boolean }) {
  const text = solved ? "solved" : (["", "can wait", "normal", "urgent"][urgency] ?? "");
  return <i className="urgency" data-urgency={solved ? 0 : urgency} role="img" aria-label={text} title={text} />;
}
