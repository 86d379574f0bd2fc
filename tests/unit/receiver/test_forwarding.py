"""Judging n8n's answers, and how long to wait after a failed attempt."""

from __future__ import annotations

import pytest

from ticktrail.receiver.forwarding import Outcome, read_answer, wait_after

JSON = "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("status", "content_type", "body", "outcome"),
    [
        (200, JSON, b'{"message":"Workflow was started"}', Outcome()),
        (200, JSON, b'{"message":"Webhook call received"}', Outcome(unheard=True)),
        (200, "text/html; charset=utf-8", b"firstEntryJson", Outcome()),
        (200, "", b"", Outcome()),
        (200, "text/html; charset=utf-8", b"n8n is starting up. Please wait", Outcome("n8n is starting up")),
        (200, "text/html", b"<html>n8n is starting up. Please wait", Outcome("n8n is starting up")),
        (200, "text/html", b"\n<!DOCTYPE html>", Outcome("n8n answered 200 with a page")),
        (200, JSON, b"<html>", Outcome("n8n answered 200 with a page")),
        (200, JSON, b"{", Outcome("n8n answered 200 with broken JSON")),
        (404, JSON, b'{"message":"not registered"}', Outcome("n8n answered 404")),
        (302, JSON, b"{}", Outcome("n8n answered 302")),
        (503, JSON, b"{}", Outcome("n8n answered 503")),
    ],
)
def test_only_what_n8n_answers_after_taking_it_means_delivered(
    status: int, content_type: str, body: bytes, outcome: Outcome
) -> None:
    """The answers of the WhatsApp Trigger and of the Webhook node; every other one is a reason to try again."""
    assert read_answer(status, content_type, body) == outcome


def test_waits_double_up_to_five_minutes() -> None:
    """The first wait is about a second, later ones double, none is longer than six minutes."""
    assert [wait_after(attempts, chance=0.5) for attempts in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert wait_after(1_000, chance=1.0) == pytest.approx(360)
    assert wait_after(1, chance=0.0) == pytest.approx(0.8)
