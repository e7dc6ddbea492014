import { useMutation } from "convex/react";
import { useState, type FormEvent } from "react";

import { api } from "./_generated/api";
import type { Doc, Id } from "./_generated/dataModel";
import { explain } from "./errors";

interface Props {
  channels: Doc<"channels">[];
  selected: Id<"channels"> | undefined;
}

export function ChannelPicker({ channels, selected }: Props) {
  const openChannel = useMutation(api.channels.get_or_create);
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<string>();

  async function submit(event: FormEvent) {
    event.preventDefault();
    try {
      await openChannel({ name });
      location.hash = encodeURIComponent(name.trim().toLowerCase());
      setName("");
      setProblem(undefined);
    } catch (error) {
      setProblem(explain(error));
    }
  }

  return (
    <nav className="channels" aria-label="Channels">
      <h3>Channels</h3>
      <ul data-testid="channels">
        {channels.map((channel) => (
          <li key={channel._id}>
            <a
              href={`#${encodeURIComponent(channel.name)}`}
              aria-current={channel._id === selected ? "page" : undefined}
              data-testid={`channel-${channel.name}`}
            >
              <span aria-hidden="true"># </span>
              {channel.name}
            </a>
          </li>
        ))}
      </ul>
      <form className="new-channel" onSubmit={submit}>
        <input
          aria-label="Name of a new channel"
          data-testid="new-channel"
          placeholder="New channel"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <button type="submit" aria-label="Create channel" data-testid="create-channel">
          +
        </button>
      </form>
      {problem !== undefined && (
        <p className="problem" role="alert" data-testid="channel-error">
          {problem}
        </p>
      )}
    </nav>
  );
}
