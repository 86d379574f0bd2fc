"""Sessions of logged-in browsers: a signed, timed cookie that logging out ends on the server too."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from pathlib import Path

from itsdangerous import BadSignature, TimestampSigner

from ticktrail.web.roles import Access, Role

SESSION_SECONDS = 30 * 86_400
"""Long, so that a wall screen does not ask for the token every day."""

LOGOUT_FILE = "dashboard.logouts"
_MAX_COOKIE = 1_024


class Sessions:
    """Makes, checks and ends sessions.

    The cookie is a random id, signed with the token of its role: sessions outlive a restart, changing a token ends its
    sessions, and a viewer's cookie reveals nothing about the other token.

    Args:
        access: the token of each role.
        file: private file in which ended sessions are recorded; without it, they are forgotten at a restart.
    """

    def __init__(self, access: Access, file: Path | None = None) -> None:
        self._signers = {
            role: TimestampSigner(
                token.reveal(), salt=b"ticktrail session", key_derivation="hmac", digest_method=hashlib.sha256
            )
            for role, token in access.tokens.items()
        }
        self._file = file
        self._ended = {} if file is None else _read(file)

    def new(self, role: Role) -> str:
        """A cookie that lets in this role for 30 days."""
        return self._signers[role].sign(secrets.token_urlsafe(16)).decode()

    def role(self, cookie: str) -> Role | None:
        """The role of a valid cookie; None when it is forged, too old or logged out."""
        session = self._session(cookie)
        return None if session is None else session[0]

    def end(self, cookie: str) -> None:
        """End a session; does nothing for a cookie that is not valid."""
        session = self._session(cookie)
        if session is None:
            return
        now = time.time()
        self._ended = {name: at for name, at in self._ended.items() if now - at < SESSION_SECONDS}
        self._ended[session[1]] = now
        if self._file is not None:
            with contextlib.suppress(OSError):
                _append(self._file, f"{session[1]} {now:.0f}\n")

    def _session(self, cookie: str) -> tuple[Role, str] | None:
        for role, signer in self._signers.items():
            try:
                name = signer.unsign(cookie[:_MAX_COOKIE], max_age=SESSION_SECONDS - 1).decode()
            except (BadSignature, UnicodeError):
                continue
            return None if name in self._ended else (role, name)
        return None


def _append(file: Path, line: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="ascii") as stream:
        stream.write(line)


def _read(file: Path) -> dict[str, float]:
    """Ended sessions and when they ended, without those whose cookie has expired anyway."""
    ended: dict[str, float] = {}
    with contextlib.suppress(OSError):
        for line in file.read_text(encoding="ascii", errors="replace").splitlines():
            name, _, at = line.partition(" ")
            if at.isdigit() and time.time() - int(at) < SESSION_SECONDS:
                ended[name] = int(at)
    return ended
