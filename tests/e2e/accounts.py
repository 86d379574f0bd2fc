"""The owner of a fresh n8n and the API keys made in their name, all generated at run time."""

from __future__ import annotations

import secrets
import uuid

import httpx2
from tests.support.patience import PATIENCE_SECONDS, wait_until

# The scopes that the documentation recommends for Ticktrail's key.
READER_SCOPES = ("execution:list", "execution:read", "workflow:list", "workflow:read")

# What the lab does besides reading. Old releases know fewer scopes: those they lack are left out.
LAB_SCOPES = (
    *READER_SCOPES,
    *("execution:delete", "execution:retry", "execution:stop"),
    *("workflow:activate", "workflow:create", "workflow:deactivate", "workflow:delete", "workflow:update"),
    *("credential:create", "credential:delete"),
)


def open_client(base_url: str, *, api_key: str | None = None) -> httpx2.Client:
    """An HTTP client for n8n that ignores proxies and opens a connection for each request.

    n8n closes an idle connection after five seconds, and a kill closes all.
    """
    headers = {"X-N8N-API-KEY": api_key} if api_key else {}
    limits = httpx2.Limits(max_keepalive_connections=0)
    return httpx2.Client(base_url=base_url, headers=headers, limits=limits, timeout=PATIENCE_SECONDS, trust_env=False)


def set_up_owner(base_url: str) -> httpx2.Client:
    """Make the owner of an n8n that has none yet, and return a client that is logged in as them."""
    owner = open_client(base_url)
    # n8n ties a session to the browser that opened it.
    owner.headers["browser-id"] = str(uuid.uuid4())
    email, password = "owner@example.com", f"A1{secrets.token_urlsafe(16)}"
    setup = {"email": email, "firstName": "Lab", "lastName": "Owner", "password": password}
    owner.post("/rest/owner/setup", json=setup).raise_for_status()
    owner.post("/rest/login", json={"emailOrLdapLoginId": email, "password": password}).raise_for_status()
    return owner


def make_api_key(owner: httpx2.Client, label: str, scopes: tuple[str, ...]) -> str:
    """Make an API key that does not expire, with as many of these scopes as this release knows."""
    known = set(owner.get("/rest/api-keys/scopes").raise_for_status().json()["data"])
    wanted = [scope for scope in scopes if scope in known]

    def probe() -> str | None:
        answer = owner.post("/rest/api-keys", json={"label": label, "expiresAt": None, "scopes": wanted})
        # Older releases make the same key twice within one second, and stumble over the second.
        if answer.status_code == httpx2.codes.INTERNAL_SERVER_ERROR:
            return None
        return str(answer.raise_for_status().json()["data"]["rawApiKey"])

    return wait_until(probe, f"the API key {label!r}", every=0.3)
