"""Who may look: tokens, roles, and the sessions that a login begins.

Two roles. ``full`` sees everything. ``viewer`` sees figures, and messages with numbers masked: no texts, no links
into n8n, no search for a person. Without a token everybody who reaches this machine's own address is ``full``; so
without one nothing but a loopback address is listened on.

A session is a signed text in a cookie. Its key is made of the role's own token: sessions outlive a restart, a changed
token ends its sessions, and whoever has the viewer's cookie can learn nothing of the other token from it.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import ipaddress
import secrets

import msgspec
from starlette.requests import HTTPConnection

from ticktrail.errors import ConfigurationError
from ticktrail.settings.secret import Secret
from ticktrail.settings.settings import Settings

SESSION_SECONDS = 30 * 86_400
"""A screen on a wall is not asked for a token every day."""

ROLE_KEY = "ticktrail_role"
_LONGEST_TEXT = 1_024


class Role(enum.StrEnum):
    """What somebody may see."""

    FULL = "full"
    VIEWER = "viewer"


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who is let in.

    Attributes:
        tokens: by role; without any, everybody is ``full``.
        salt: for masked message ids: the same id looks the same until the next start.
    """

    tokens: dict[Role, Secret] = {}
    salt: bytes = msgspec.field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for a token."""
        return not self.tokens

    def role_by_token(self, text: str) -> Role | None:
        """Whose token this is. Takes as long for a wrong one as for a right one."""
        given = _digest(text[:_LONGEST_TEXT])
        found = None
        for role, token in self.tokens.items():
            if hmac.compare_digest(given, _digest(token.reveal())):
                found = role
        return found

    def role_of(self, request: HTTPConnection) -> Role:
        """Whom the guard found behind a request for a page; the least of roles when it found nobody."""
        return role_of(request) or Role.VIEWER


def access_for(settings: Settings, host: str) -> Access:
    """Who is let in when this address is listened on.

    Raises:
        ConfigurationError: the address is reached from other machines and there is no token; or a viewer's token
            stands alone, or both are the same.
    """
    full, viewer = settings.dashboard.token, settings.dashboard.viewer_token
    if full is None and not is_loopback(host):
        raise ConfigurationError(
            f"Other machines reach {host}, and TICKTRAIL_DASHBOARD_TOKEN is not set: anybody could read every message.",
            remedy="Make a token (openssl rand -hex 24) and put it into TICKTRAIL_DASHBOARD_TOKEN, or into a file that "
            "TICKTRAIL_DASHBOARD_TOKEN_FILE names. Or leave --host away: then only this machine is let in.",
        )
    if full is None and viewer is not None:
        raise ConfigurationError(
            "TICKTRAIL_DASHBOARD_VIEWER_TOKEN is set, but TICKTRAIL_DASHBOARD_TOKEN is not.",
            remedy="Set TICKTRAIL_DASHBOARD_TOKEN too: without it everybody on this machine sees everything.",
        )
    if full is not None and full == viewer:
        raise ConfigurationError(
            "TICKTRAIL_DASHBOARD_TOKEN and TICKTRAIL_DASHBOARD_VIEWER_TOKEN are the same.",
            remedy="Make another one for viewers: openssl rand -hex 24",
        )
    found = {Role.FULL: full, Role.VIEWER: viewer}
    return Access(tokens={role: token for role, token in found.items() if token is not None})


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine, and is reached from it only."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def role_of(request: HTTPConnection) -> Role | None:
    """Whom the guard found behind a request; None for somebody not logged in, on the few pages that need no login."""
    role = request.scope.get("state", {}).get(ROLE_KEY)
    return role if isinstance(role, Role) else None


def _digest(text: str) -> bytes:
    """Of equal length whatever the text: comparing texts themselves would tell how long the right one is."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
