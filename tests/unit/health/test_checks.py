"""Health checks of keys, clocks, retention and silent workflows: their texts and severities."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ticktrail.health.checks import (
    Finding,
    Severity,
    check_clock,
    check_executions,
    check_key_expiry,
    check_not_read,
    check_retention,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PAGE = "https://n8n.example.com/settings/api"
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def jwt(**claims: Any) -> str:
    """A key in n8n's format since 1.68, with a signature that cannot be verified here."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    usual = {"sub": "12f7558e-f2e0-4fe1-aa2f-7d0a1dbb82e3", "iss": "n8n", "aud": "public-api", "iat": 1_790_000_000}
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(usual | claims)}.c2lnbmF0dXJl"


def expiring(delta: timedelta) -> Finding:
    """The judgement on a key that expires so long after now."""
    return check_key_expiry(jwt(exp=int((NOW + delta).timestamp())), NOW, page=PAGE)


@pytest.mark.parametrize(
    ("delta", "severity", "said"),
    [
        (timedelta(days=-3), Severity.FAULT, "expired 3 days ago, on 2026-11-19 12:00 UTC"),
        (timedelta(), Severity.FAULT, "expired 1 second ago"),
        (timedelta(minutes=1), Severity.WARNING, "in 60 seconds"),
        (timedelta(days=7), Severity.WARNING, "in 7 days, on 2026-11-29"),
        (timedelta(days=7, seconds=1), Severity.OK, "valid until 2026-11-29"),
        (timedelta(days=400), Severity.OK, "valid until 2027-12-27"),
    ],
)
def test_a_key_says_when_it_expires(delta: timedelta, severity: Severity, said: str) -> None:
    """From seven days before its ``exp`` a key is a warning, from ``exp`` on a fault, and the remedy names the page."""
    found = expiring(delta)
    assert (found.severity, said in found.says) == (severity, True), found.says
    assert (PAGE in found.remedy) == found.needs_attention


@pytest.mark.parametrize(
    "key",
    [
        *("n8n_api_0123456789abcdef", "a.b.c", "..", "a.b", "\u00e9.\u00e9.\u00e9", f"x.{'W' * 9_999}.y", ""),
        *(jwt(), jwt(exp=None), jwt(exp="soon"), jwt(exp=True), jwt(exp=10**30), jwt(exp=float("nan"))),
        f"x.{base64.urlsafe_b64encode(b'[1]').decode()}.y",
    ],
)
def test_a_key_that_does_not_say_is_fine(key: str) -> None:
    """Opaque keys, keys without an expiry and texts that only look like a JWT are no fault, and never an error."""
    assert check_key_expiry(key, NOW).severity is Severity.OK


def test_a_token_for_another_purpose_is_recognized() -> None:
    """n8n's tokens for other purposes (MCP) are no API keys."""
    found = check_key_expiry(jwt(aud="mcp-server-api"), NOW)
    assert (found.severity, "public API" in found.says) == (Severity.FAULT, True)


def test_no_finding_repeats_the_key() -> None:
    """A finding contains no part of a key."""
    key = jwt(exp=int(NOW.timestamp()) - 5)
    assert not any(part in repr(check_key_expiry(key, NOW)) for part in key.split("."))


@pytest.mark.parametrize(
    ("kept", "interval", "severity"),
    [
        (14 * DAY, 5 * MINUTE, Severity.OK),
        (15 * MINUTE, 5 * MINUTE, Severity.OK),
        (15 * MINUTE - 1, 5 * MINUTE, Severity.WARNING),
        (DAY, DAY, Severity.WARNING),
        (14 * MINUTE, None, Severity.WARNING),
        (DAY, None, Severity.OK),
        (None, 5 * MINUTE, Severity.UNKNOWN),
    ],
)
def test_the_interval_is_held_against_a_third_of_what_n8n_keeps(
    kept: float | None, interval: float | None, severity: Severity
) -> None:
    """An interval beyond a third of the retention is a warning; unknown, five minutes are what people set."""
    found = check_retention(kept, interval, workflow_id="w")
    assert (found.severity, found.workflow_id) == (severity, "w"), found.says
    assert ("EXECUTIONS_DATA_PRUNE_MAX_COUNT" in found.remedy) == found.needs_attention


def test_an_oldest_execution_alone_is_no_warning() -> None:
    """While n8n was not seen to delete anything, the age of its oldest execution says nothing about retention."""
    found = check_retention(5, 20, deleted=False)
    assert (found.severity, found.says) == (
        Severity.OK,
        "n8n's oldest execution started 5 seconds ago. n8n was not seen to delete any execution so far.",
    )


@pytest.mark.parametrize(
    ("said", "severity", "words"),
    [
        ("Sun, 22 Nov 2026 12:01:00 GMT", Severity.OK, "agree"),
        ("Sun, 22 Nov 2026 12:01:01 GMT", Severity.WARNING, "61 seconds ahead of"),
        ("Sun, 22 Nov 2026 09:00:00 GMT", Severity.WARNING, "3 hours behind"),
        (NOW - timedelta(minutes=5), Severity.WARNING, "5 minutes behind"),
        ("yesterday", Severity.UNKNOWN, "does not send"),
        ("", Severity.UNKNOWN, "does not send"),
        (None, Severity.UNKNOWN, "does not send"),
    ],
)
def test_clocks(said: str | datetime | None, severity: Severity, words: str) -> None:
    """More than a minute between two clocks is a warning that says which way."""
    found = check_clock(said, NOW)
    assert (found.severity, words in found.says) == (severity, True), found.says


@pytest.mark.parametrize(
    ("found", "severity", "words"),
    [
        (check_executions(200, 180, ended=200, successes=200), Severity.OK, "200 executions read, 180 with statuses."),
        (check_executions(1, 1, ended=1, successes=0), Severity.OK, "1 execution read"),
        (check_executions(200, 0, ended=200, successes=200), Severity.WARNING, "200 executions read, 0 statuses."),
        (check_executions(200, 0, ended=200, successes=9, listens=False), Severity.OK, "0 with statuses"),
        (check_executions(0, 0), Severity.WARNING, "no execution"),
        (check_executions(0, 0, listens=False), Severity.OK, "no execution"),
        (check_executions(50, 0, withheld={"redacted": 50}, ended=50, successes=50), Severity.FAULT, "(50 redacted)"),
        (
            check_executions(1_050, 40, withheld={"redacted": 2, "too large": 1}, ended=50, successes=50),
            Severity.WARNING,
            "1,050 executions read, 40 with statuses; n8n withheld 3 (2 redacted, 1 too large).",
        ),
        (check_executions(20, 20, ended=20, successes=0), Severity.WARNING, "none of them succeeded"),
        (check_executions(19, 19, ended=19, successes=0), Severity.OK, "19 with statuses"),
    ],
)
def test_silence_is_explained(found: Finding, severity: Severity, words: str) -> None:
    """Silence is never just 'ok': it comes with its likely causes; statuses in every execution need no word more."""
    assert (found.severity, words in found.says) == (severity, True), found.says
    assert bool(found.remedy) == found.needs_attention


def test_executions_that_are_not_read_say_what_to_change() -> None:
    """Another provider is named; a text that anybody could have written needs no attention."""
    counts = {("provider", "Evolution API"): 5, ("status", None): 1, ("text", None): 2}
    provider, status, text = check_not_read(counts, workflow_id="w")
    assert (provider.severity, provider.says) == (Severity.WARNING, "5 executions not read: Evolution API.")
    assert "Let Evolution API forward Meta's own webhooks" in provider.remedy
    assert (status.severity, "WhatsApp Trigger" in status.remedy) == (Severity.WARNING, True)
    assert (text.severity, text.remedy, text.workflow_id) == (Severity.OK, "", "w")


def test_executions_that_are_all_not_read_are_no_silence() -> None:
    """The finding about what was not read says what to change; blaming the callback URL would mislead."""
    found = check_executions(9, 0, not_read=9)
    assert (found.severity, found.says) == (Severity.OK, "9 executions read, 0 with statuses; 9 not read.")
