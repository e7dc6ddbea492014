"""Who is asking: identity providers of an app, their tokens, and the identity that a token proves.

identity        what functions see of a person, and what entries keep of it
providers       what an app writes to name its identity providers: `OidcProvider`, `CustomJwt`, `OwnTokens`
own_tokens      tokens that the deployment signs itself
tokens          one token: its parts, its signature, its claims
key_sets        the keys of providers: fetched when needed, kept for a while, fetched again when rotated
authenticator   from a token to an identity, or what must be fetched before that can be said
errors          why a token is refused

No I/O and no clock: a shell fetches what is asked for (`server/key_fetching.py`) and says what time it is.
"""
