import { useMutation } from "convex/react";
import { useState, type FormEvent } from "react";

import { api } from "./_generated/api";
import { explain } from "./errors";

export function NewTicket() {
  const open = useMutation(api.tickets.open);
  const [title, setTitle] = useState("");
  const [body, setBody] = useState("");
  const [urgency, setUrgency] = useState(2);
  const [problem, setProblem] = useState<string>();

  async function submit(event: FormEvent) {
    event.preventDefault();
    try {
      location.hash = await open({ title, body, urgency });
    } catch (error) {
      setProblem(explain(error));
    }
  }

  return (
    <form className="new-form" onSubmit={submit}>
      <h2>What is the matter?</h2>
      <label>
        Title
        <input data-testid="title" value={title} autoFocus onChange={(event) => setTitle(event.target.value)} />
      </label>
      <label>
        What happened
        <textarea data-testid="body" rows={6} value={body} onChange={(event) => setBody(event.target.value)} />
      </label>
      <fieldset className="tabs">
        <legend>Urgency</legend>
        {["can wait", "normal", "urgent"].map((name, index) => (
          <button
            key={name}
            type="button"
            aria-pressed={urgency === index + 1}
            data-testid={`urgency-${index + 1}`}
            onClick={() => setUrgency(index + 1)}
          >
            {name}
          </button>
        ))}
      </fieldset>
      {problem !== undefined && (
        <p className="problem" role="alert" data-testid="problem">
          {problem}
        </p>
      )}
      <button type="submit" className="primary" data-testid="open">
        Open the ticket
      </button>
    </form>
  );
}
