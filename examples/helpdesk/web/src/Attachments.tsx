import { useMutation } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useState } from "react";

import { api } from "./_generated/api";
import type { Id } from "./_generated/dataModel";
import { explain } from "./errors";

type Attached = NonNullable<FunctionReturnType<typeof api.tickets.details>>["attachments"][number];

export function Attachments({ ticket, attachments }: { ticket: Id<"tickets">; attachments: Attached[] }) {
  const uploadUrl = useMutation(api.files.upload_url);
  const attach = useMutation(api.files.attach);
  const remove = useMutation(api.files.remove);
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);

  async function upload(file: File) {
    setBusy(true);
    try {
      const answer = await fetch(await uploadUrl(), {
        method: "POST",
        headers: file.type === "" ? {} : { "Content-Type": file.type },
        body: file,
      });
      if (!answer.ok) throw new Error(`The upload failed: ${await answer.text()}`);
      const { storageId } = (await answer.json()) as { storageId: Id<"_storage"> };
      await attach({ ticket, name: file.name, file: storageId });
      setProblem(undefined);
    } catch (error) {
      setProblem(explain(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <section>
      <ul className="attachments">
        {attachments.map(({ name, url, contentType, size }) => (
          <li key={url ?? name} data-testid="attachment">
            {url !== null && contentType?.startsWith("image/") === true && (
              <img src={url} alt={name} data-testid="preview" />
            )}
            <a href={url ?? undefined} target="_blank" rel="noreferrer">
              {name}
            </a>
            <small>{size.toLocaleString()} bytes</small>
            <button
              type="button"
              className="link"
              data-testid="remove"
              onClick={() => void remove({ ticket, name }).catch((error: unknown) => setProblem(explain(error)))}
            >
              Remove
            </button>
          </li>
        ))}
      </ul>
      <label className="attach">
        {busy ? "Uploading…" : "Attach a file"}
        <input
          type="file"
          data-testid="file"
          disabled={busy}
          onChange={(event) => {
            const [file] = event.target.files ?? [];
            event.target.value = "";
            if (file !== undefined) void upload(file);
          }}
        />
      </label>
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}
