import { useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { useAuth } from "react-oidc-context";

import { api } from "./_generated/api";
import { explain } from "./errors";

/** A report by a durable action: it goes on after a crash of the server; and all tickets as CSV, from an HTTP action. */
export function Report({ address }: { address: string }) {
  const report = useQuery(api.reports.mine);
  const write = useMutation(api.reports.write);
  const token = useAuth().user?.id_token;
  const [problem, setProblem] = useState<string>();
  const attempt = (promise: Promise<unknown>) =>
    void promise.then(
      () => setProblem(undefined),
      (error: unknown) => setProblem(explain(error)),
    );

  async function download() {
    const answer = await fetch(`${address}/http/tickets.csv`, { headers: { Authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(await answer.text());
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = "tickets.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  return (
    <div className="report">
      <div className="row">
        <button type="button" data-testid="write-report" onClick={() => attempt(write({}))}>
          Write a report
        </button>
        <button type="button" data-testid="download" onClick={() => attempt(download())}>
          CSV
        </button>
        {report != null && report.text === null && <small data-testid="report-stage">{report.stage}…</small>}
      </div>
      {report?.text != null && (
        <details>
          <summary data-testid="report-done">Your report is done</summary>
          <pre data-testid="report-text">{report.text}</pre>
        </details>
      )}
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}
