"""Roles and the tokens that grant them.

``full`` sees everything. ``viewer`` sees statistics, and messages with masked numbers: no texts, no links into n8n, no
search for a person. Without a token, everybody who reaches the server is ``full``, so it then listens on a loopback
address only.
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

ROLE_KEY = "ticktrail_role"
"""Key of the role in the state of a request's scope."""

_MAX_TOKEN = 1_024


class Role(enum.StrEnum):
    """Rights of a visitor."""

    FULL = "full"
    VIEWER = "viewer"


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens that are accepted.

    Attributes:
        tokens: by role; without any, every visitor is ``full``.
        salt: of masked message ids, which stay the same until the next start.
    """

    tokens: dict[Role, Secret] = {}
    salt: bytes = msgspec.field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def is_open(self) -> bool:
        """True when no token is needed."""
        return not self.tokens

    def role_by_token(self, text: str) -> Role | None:
        """The role of a token; None for a wrong one. Takes equally long for both."""
        given = _digest(text[:_MAX_TOKEN])
        granted = None
        for role, token in self.tokens.items():
            if hmac.compare_digest(given, _digest(token.reveal())):
                granted = role
        return granted

    def role_of(self, request: HTTPConnection) -> Role:
        """The role of a request for a page; ``viewer`` where none was determined."""
        return role_of(request) or Role.VIEWER


def access_for(settings: Settings, host: str) -> Access:
    """The tokens of the settings, for a server that listens on this address.

    Raises:
        ConfigurationError: other machines reach the address and there is no token; or the viewer's token is set alone,
            or equals the other.
    """
    full, viewer = settings.dashboard.token, settings.dashboard.viewer_token
    if full is None and not is_loopback(host):
        raise ConfigurationError(
            f"--host {host} can be reached from other machines, but TICKTRAIL_DASHBOARD_TOKEN is not set.",
            remedy="Create a token (openssl rand -hex 24) and put it into TICKTRAIL_DASHBOARD_TOKEN, or into a file "
            "named by TICKTRAIL_DASHBOARD_TOKEN_FILE. Or omit --host to allow this machine only.",
        )
    if full is None and viewer is not None:
        raise ConfigurationError(
            "TICKTRAIL_DASHBOARD_VIEWER_TOKEN is set without TICKTRAIL_DASHBOARD_TOKEN.",
            remedy="Set TICKTRAIL_DASHBOARD_TOKEN too; without it, every user of this machine sees everything.",
        )
    if full is not None and full == viewer:
        raise ConfigurationError(
            "TICKTRAIL_DASHBOARD_TOKEN and TICKTRAIL_DASHBOARD_VIEWER_TOKEN are the same.",
            remedy="Create another token for viewers: openssl rand -hex 24",
        )
    tokens = {Role.FULL: full, Role.VIEWER: viewer}
    return Access(tokens={role: token for role, token in tokens.items() if token is not None})


def is_loopback(host: str) -> bool:
    """True for a name or address that only this machine can reach."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def role_of(request: HTTPConnection) -> Role | None:
    """The role that the middleware found for a request; None without one."""
    role = request.scope.get("state", {}).get(ROLE_KEY)
    return role if isinstance(role, Role) else None


def _digest(text: str) -> bytes:
    """A digest has the same length for every text, so comparing it does not reveal the length of the token."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
