import { ConvexProviderWithAuth, ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import { Problem } from "./Problem";
import { SignIn, useToken } from "./auth";
import "./style.css";

const address: string = import.meta.env.VITE_RELIVE_URL ?? "http://127.0.0.1:3212";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element with the id `root`");

createRoot(root).render(
  <StrictMode>
    <Problem>
      <SignIn>
        <ConvexProviderWithAuth client={new ConvexReactClient(address)} useAuth={useToken}>
          <App address={address} />
        </ConvexProviderWithAuth>
      </SignIn>
    </Problem>
  </StrictMode>,
);
