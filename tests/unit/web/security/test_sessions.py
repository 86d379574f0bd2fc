"""Sessions: how long they last, what ends them, and what is no session."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import itsdangerous.timed
import pytest

from ticktrail.settings.secret import Secret
from ticktrail.web.roles import Access, Role
from ticktrail.web.security.sessions import SESSION_SECONDS, Sessions

TOKENS = {Role.FULL: Secret("full-token-of-the-tests-0001"), Role.VIEWER: Secret("viewer-token-of-the-tests-02")}
BOTH = Sessions(Access(tokens=TOKENS))
NOW = 1_795_355_171.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of the signatures, which a test may change."""
    now = [NOW]
    monkeypatch.setattr(itsdangerous.timed.time, "time", lambda: now[0])
    return now


@pytest.mark.parametrize("role", Role)
def test_a_session_lasts_30_days(role: Role, clock: list[float]) -> None:
    """A session lets its role in until it expires, also after a restart with the same tokens."""
    cookie = BOTH.new(role)
    restarted = Sessions(Access(tokens=TOKENS))
    clock[0] = NOW + SESSION_SECONDS - 1
    assert restarted.role(cookie) is role
    clock[0] = NOW + SESSION_SECONDS
    assert restarted.role(cookie) is None


def test_a_changed_token_ends_its_sessions() -> None:
    """After a role's token was changed its sessions are over, the other's are not."""
    changed = Sessions(Access(tokens={**TOKENS, Role.FULL: Secret("another-token-altogether-3")}))
    assert changed.role(BOTH.new(Role.FULL)) is None
    assert changed.role(BOTH.new(Role.VIEWER)) is Role.VIEWER


def test_a_viewer_cannot_become_full() -> None:
    """A cookie with a character changed, the other role's signature, or an end cut off is not a session."""
    cookie, other = BOTH.new(Role.VIEWER), BOTH.new(Role.FULL)
    changed = [
        cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        for place in range(len(cookie) - 1)  # the last character has bits that mean nothing
    ]
    exchanged = f"{cookie.rpartition('.')[0]}.{other.rpartition('.')[2]}"
    rubbish = (f"{cookie}x", f"full.9999999999.{'0' * 64}", "..", "", "full", "\ud800.1.é", "x" * 10_000)
    for forged in (*changed, *(cookie[:end] for end in range(len(cookie))), exchanged, *rubbish):
        assert BOTH.role(forged) is None, forged
    assert Sessions(Access()).role(cookie) is None


def test_ending_a_session_is_remembered(tmp_path: Path) -> None:
    """An ended session stays ended after a restart; the file is private, and rubbish in it does no harm."""
    file = tmp_path / "dashboard.logouts"
    sessions = Sessions(Access(tokens=TOKENS), file)
    ended, going_on = sessions.new(Role.FULL), sessions.new(Role.FULL)
    sessions.end(ended)
    sessions.end("no session at all")
    with file.open("ab") as stream:
        stream.write(b"\xff\xfe nonsense\n\n x\n")
    for known in (sessions, Sessions(Access(tokens=TOKENS), file)):
        assert known.role(ended) is None
        assert known.role(going_on) is Role.FULL
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_is_missing_does_not_stop_a_logout(tmp_path: Path) -> None:
    """Where nothing can be written, the session is ended until the next start."""
    sessions = Sessions(Access(tokens=TOKENS), tmp_path / "missing" / "dashboard.logouts")
    cookie = sessions.new(Role.VIEWER)
    sessions.end(cookie)
    assert sessions.role(cookie) is None
