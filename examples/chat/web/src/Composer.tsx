import { useState, type FormEvent } from "react";

import type { Doc } from "./_generated/dataModel";
import { explain } from "./errors";
import { useSend } from "./mutations";

export function Composer({ channel, author }: { channel: Doc<"channels">; author: string }) {
  const send = useSend();
  const [body, setBody] = useState("");
  const [problem, setProblem] = useState<string>();

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBody("");
    setProblem(undefined);
    try {
      await send({ channel: channel._id, author, body });
    } catch (error) {
      setProblem(explain(error));
      // Give the text back, unless the user has gone on writing.
      setBody((current) => current || body);
    }
  }

  return (
    <form className="composer" onSubmit={submit}>
      {problem !== undefined && (
        <p className="problem" role="alert" data-testid="send-error">
          {problem}
        </p>
      )}
      <div className="composer-row">
        <input
          aria-label={`Message to #${channel.name}`}
          data-testid="body"
          placeholder={`Message #${channel.name}`}
          value={body}
          autoComplete="off"
          autoFocus
          onChange={(event) => setBody(event.target.value)}
        />
        <button type="submit" data-testid="send">
          Send
        </button>
      </div>
    </form>
  );
}
