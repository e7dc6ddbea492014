// A socket that remembers what went through it, and can be cut.  The clients take it instead of theirs.
import { ConvexClient } from "convex/browser";
import { ConvexReactClient } from "convex/react";
import { WebSocket } from "ws";

import { url } from "./harness.mjs";

export class Wire {
  /** Everything said, in order: `{ sent }` by the client, `{ received }` from the server. */
  said = [];
  opened = 0;
  /** Every message goes through here; it may be changed, or held back. */
  through = (message, send) => send(message);
  #current;

  constructor() {
    const wire = this;
    this.Socket = class extends WebSocket {
      constructor(...details) {
        super(...details);
        wire.#current = this;
        wire.opened += 1;
        this.on("message", (data) => wire.said.push({ received: JSON.parse(data) }));
      }

      send(text) {
        wire.through(JSON.parse(text), (message) => {
          wire.said.push({ sent: message });
          super.send(JSON.stringify(message));
        });
      }
    };
  }

  /** The connection is gone, without a word to either side. */
  cut() {
    this.#current.terminate();
  }

  connectReact() {
    return new ConvexReactClient(url, { webSocketConstructor: this.Socket, unsavedChangesWarning: false });
  }

  connect() {
    return new ConvexClient(url, { webSocketConstructor: this.Socket });
  }

  /** Modifications that the client has sent since `from`, of one type. */
  asked(type, from = 0) {
    const sets = this.said.slice(from).flatMap(({ sent }) => (sent?.type === "ModifyQuerySet" ? [sent] : []));
    return sets.flatMap(({ modifications }) => modifications.filter((each) => each.type === type));
  }
}
