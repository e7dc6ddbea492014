// An OpenID Connect provider for development: it lets anybody in under any name.  A real help desk has a real one.
//
//   ISSUER    where it listens; `auth_config.py` names it
//   PAGES     addresses of pages that may sign people in, with a space between them
//   SIGNING_KEY   a private JSON web key for ES256
import { Provider } from "oidc-provider";

const issuer = process.env.ISSUER ?? "http://127.0.0.1:5175";
const pages = (process.env.PAGES ?? "http://127.0.0.1:5174/").split(" ");
const key = JSON.parse(process.env.SIGNING_KEY);
const { hostname, port } = new URL(issuer);
const hour = 3600;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "helpdesk",
      redirect_uris: pages,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      id_token_signed_response_alg: "ES256",
    },
  ],
  jwks: { keys: [{ ...key, alg: "ES256", use: "sig", kid: "development" }] },
  enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
  claims: { openid: ["sub"], profile: ["name"] },
  conformIdTokenClaims: false, // the name stands in the id token, which is what relive is given
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, name: id }) }),
  clientBasedCORS: () => true,
  issueRefreshToken: () => true,
  rotateRefreshToken: false, // the tabs of a browser share one
  cookies: { keys: ["only for development"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/sign-in/${interaction.uid}` },
  loadExistingGrant: async ({ oidc }) => {
    // The provider and the page belong together, so nobody is asked what the page may know.
    const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
    grant.addOIDCScope("openid profile");
    await grant.save();
    return grant;
  },
  ttl: { IdToken: hour, AccessToken: hour, RefreshToken: 24 * hour, Session: 24 * hour, Grant: 24 * hour, Interaction: hour },
});

const FORM = `<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Sign in</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
  body { display: grid; place-items: center; min-height: 90dvh; margin: 0 }
  form { display: grid; gap: 12px; width: 280px }
  h1 { margin: 0; font-size: 20px }
  p { margin: 0; color: gray; font-size: 13px }
  input, button { padding: 9px 12px; border: 1px solid #8886; border-radius: 10px; font: inherit }
  button { border: 0; background: #0f766e; color: #fff; font-weight: 600; cursor: pointer }
</style>
<form method="post">
  <h1>Who are you?</h1>
  <input name="login" aria-label="Your name" placeholder="Your name" required maxlength="40" autofocus autocomplete="off">
  <button>Go on</button>
  <p>This provider is for development: it believes everybody.</p>
</form>`;

provider.use(async (context, next) => {
  if (!context.path.startsWith("/sign-in/")) return next();
  if (context.method !== "POST") {
    await provider.interactionDetails(context.req, context.res); // Raises if there is no such sign-in under way.
    context.type = "html";
    context.body = FORM;
    return;
  }
  let text = "";
  for await (const part of context.req) text += part;
  const login = new URLSearchParams(text).get("login")?.trim().slice(0, 40);
  if (!login) return context.redirect(context.path);
  const to = await provider.interactionResult(context.req, context.res, { login: { accountId: login } });
  context.redirect(to);
});

provider.on("grant.error", (_context, error) => console.error("The provider refused:", error.message, error.error_detail));

provider.listen(Number(port), hostname, () => console.log(`The provider listens on ${issuer}`));
