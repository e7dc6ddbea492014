// Signing in: `oidc-client-ts` speaks with the provider, `ConvexProviderWithAuth` brings the token to the server.
import { WebStorageStateStore } from "oidc-client-ts";
import { useCallback, useEffect, useMemo, useRef, type ReactNode } from "react";
import { AuthProvider, useAuth } from "react-oidc-context";

const issuer: string = import.meta.env.VITE_OIDC_ISSUER ?? "http://127.0.0.1:5175";
const here = location.origin + location.pathname;

export function SignIn({ children }: { children: ReactNode }) {
  return (
    <AuthProvider
      authority={issuer}
      client_id="helpdesk"
      redirect_uri={here}
      scope="openid profile"
      extraQueryParams={{ prompt: "login" }}
      userStore={new WebStorageStateStore({ store: localStorage })}
      // The code in the address has been used: it must not be there when the page is loaded again.
      onSigninCallback={() => history.replaceState({}, "", here)}
    >
      {children}
    </AuthProvider>
  );
}

/** What `ConvexProviderWithAuth` wants to know. */
export function useToken() {
  const { isLoading, activeNavigator, isAuthenticated, user, signinSilent } = useAuth();
  // To fetch a fresh token is no reason to begin again.
  const isWaiting = isLoading && activeNavigator !== "signinSilent";
  const subject = user?.profile.sub;

  // The client begins again with each new function, so it is a new one for another person, not for another token.
  const latest = useRef({ token: user?.id_token, signinSilent });
  useEffect(() => {
    latest.current = { token: user?.id_token, signinSilent };
  });
  const fetchAccessToken = useCallback(
    async ({ forceRefreshToken }: { forceRefreshToken: boolean }) => {
      if (subject === undefined) return null;
      if (!forceRefreshToken) return latest.current.token ?? null;
      const fresh = await latest.current.signinSilent().catch(() => null);
      return fresh?.id_token ?? null;
    },
    [subject],
  );
  return useMemo(
    () => ({ isLoading: isWaiting, isAuthenticated, fetchAccessToken }),
    [isWaiting, isAuthenticated, fetchAccessToken],
  );
}
