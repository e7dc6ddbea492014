import { useConvexConnectionState } from "convex/react";

/** Whether the page is live.  What is sent while it is not, is sent again on reconnection. */
export function ConnectionState({ address }: { address: string }) {
  const { isWebSocketConnected, hasEverConnected, inflightMutations } = useConvexConnectionState();
  const state = isWebSocketConnected ? "live" : hasEverConnected ? "reconnecting" : "connecting";
  const waiting = isWebSocketConnected || inflightMutations === 0 ? "" : ` (${inflightMutations} waiting)`;

  return (
    <p className="connection" role="status" data-testid="connection" data-state={state} title={address}>
      {{ live: "Live", connecting: "Connecting…", reconnecting: "Reconnecting…" }[state] + waiting}
    </p>
  );
}
