import { Component, type ReactNode } from "react";

/** Shows what went wrong instead of an empty page: `useQuery` throws when a query fails. */
export class Problem extends Component<{ children: ReactNode }, { error?: unknown }> {
  override state: { error?: unknown } = {};

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (!("error" in this.state)) return this.props.children;
    return (
      <main className="crash" role="alert" data-testid="crash">
        <h1>This page cannot go on</h1>
        <pre>{String(this.state.error)}</pre>
        <button type="button" onClick={() => location.reload()}>
          Load it again
        </button>
      </main>
    );
  }
}
