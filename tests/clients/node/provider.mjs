// A real OpenID Connect provider, and somebody who signs in there as a browser would.
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";

import { Provider } from "oidc-provider";

import { within } from "./harness.mjs";

export const port = Number(process.env.RELIVE_ISSUER_PORT);
export const issuer = `http://127.0.0.1:${port}`;
export const audience = "relive-tests";
const back = "https://app.example/back";

// Made by the test: Node 20 may stand still for ever while it makes a key.
const signingKeys = JSON.parse(process.env.RELIVE_SIGNING_KEYS);

/** The signing key with that id. */
export function signingKey(kid) {
  const key = signingKeys.find((each) => each.kid === kid);
  if (key === undefined) throw new Error(`the test has made no key ${kid}`);
  return key;
}

/** Serve as the provider.  `rotate(keys)` makes it another with other keys, `close()` ends it. */
export async function serve(settings) {
  let handle = provider(settings).callback();
  const server = createServer((request, response) => handle(request, response));
  await within("the provider to listen", new Promise((resolve) => server.listen(port, "127.0.0.1", resolve)));
  return {
    rotate: (keys) => {
      handle = provider({ ...settings, keys }).callback();
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function provider({ keys, lifetime = 600, alg = "RS256" }) {
  return new Provider(issuer, {
    clients: [
      {
        client_id: audience,
        redirect_uris: [back],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
        id_token_signed_response_alg: alg,
      },
    ],
    jwks: { keys },
    enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
    scopes: ["openid", "offline_access", "profile"],
    claims: { openid: ["sub"], profile: ["name", "given_name", "org"] },
    conformIdTokenClaims: false,
    findAccount: (_, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, name: `${accountId} of tests`, given_name: accountId, org: { id: "o1" } }),
    }),
    cookies: { keys: ["a secret of tests"] },
    ttl: { IdToken: lifetime, AccessToken: 600, RefreshToken: 600, Session: 600, Grant: 600, Interaction: 600 },
  });
}

/** Sign in, by the pages that the provider shows, and get tokens. */
export async function signIn(login) {
  const jar = new Map();
  const verifier = randomBytes(32).toString("base64url");
  const visit = async (address, form) => {
    const answer = await fetch(new URL(address, issuer), {
      method: form ? "POST" : "GET",
      body: form ? new URLSearchParams(form) : undefined,
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") },
      redirect: "manual",
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      if (value) jar.set(name, value);
      else jar.delete(name);
    }
    return answer;
  };
  const query = new URLSearchParams({
    client_id: audience,
    response_type: "code",
    redirect_uri: back,
    scope: "openid offline_access profile",
    prompt: "consent",
    state: "state",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  let address = `/auth?${query}`;
  for (let steps = 0; steps < 12; steps++) {
    const answer = await visit(address);
    const to = answer.headers.get("location");
    if (to?.startsWith(back)) {
      const code = new URL(to).searchParams.get("code");
      if (code === null) throw new Error(`the provider refused: ${to}`);
      return tokens({ grant_type: "authorization_code", code, redirect_uri: back, code_verifier: verifier });
    }
    if (to !== null) {
      address = to;
      continue;
    }
    const page = await answer.text();
    const [, action] = /<form[^>]*action="([^"]+)"/.exec(page) ?? [];
    if (action === undefined) throw new Error(`a page without a form (${answer.status}): ${page.slice(0, 300)}`);
    const asksForName = page.includes('name="login"');
    const form = asksForName ? { prompt: "login", login, password: "any" } : { prompt: "consent" };
    address = (await visit(action, form)).headers.get("location");
  }
  throw new Error("it goes round in circles");
}

/** Ask for tokens, with a code or a refresh token. */
export async function tokens(form) {
  const answer = await fetch(`${issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({ client_id: audience, ...form }),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`the provider gave no token: ${JSON.stringify(body)}`);
  return body;
}

/** Somebody who is signed in: what `setAuth` asks for tokens. */
export class Person {
  constructor(name) {
    this.name = name;
    this.asked = [];
  }

  async signIn() {
    this.held = await signIn(this.name);
    return this;
  }

  /** For `setAuth`: the token that is held, or a fresh one. */
  fetchToken = async ({ forceRefreshToken }) => {
    this.asked.push(forceRefreshToken);
    if (forceRefreshToken) {
      this.held = await tokens({ grant_type: "refresh_token", refresh_token: this.held.refresh_token });
    }
    return this.held.id_token;
  };
}
