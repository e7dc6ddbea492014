"""Whose tokens prove who somebody is: those of the OpenID Connect provider that `web/provider.js` runs.

A real help desk names its company's provider here instead.
"""

from __future__ import annotations

from relive import OidcProvider

providers = [OidcProvider(domain="http://127.0.0.1:5175", application_id="helpdesk")]
