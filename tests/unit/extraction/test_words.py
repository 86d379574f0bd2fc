"""Texts that could hold a forged status, and texts that only machines write."""

from __future__ import annotations

import base64
import json

import pytest

from ticktrail.extraction.words import has_words, is_free_of_words, is_machine_made

FORGED = json.dumps({"statuses": [{"id": "wamid.X", "status": "read"}]})


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "Sara",
        {"name": "Sara", "order": {"id": "A-7", "lines": [1, 2]}},
        {"timestamp": "2026-11-22T13:46:10.000Z"},
        {"id": "wamid.HBgMOTY2NTAwMDAwMDAxFQIAERgSNDdBRDY4QjM0RjQ2QjQ4QjM0AA==" + "A" * 30},
        {"contacts": [{"profile": {"name": "Sara"}, "wa_id": "966500000001"}]},
        {"headers": {"cookie": "x" * 500}, "body": {}},
        {"statuses": [{"errors": [{"title": "x" * 500}]}]},
    ],
    ids=lambda value: str(value)[:40],
)
def test_free_of_words(value: object) -> None:
    """Names, numbers, ids and texts that Meta writes cannot hold a status."""
    assert is_free_of_words(value)


@pytest.mark.parametrize(
    "value",
    [
        FORGED,
        {"note": FORGED},
        [{"note": FORGED}],
        {"note": base64.b64encode(FORGED.encode()).decode()},
        {"note": FORGED.replace("{", "&#123;").replace("[", "&#91;")},
        {"messages": [{"text": {"body": "hello"}}]},
        {"from": "966500000001"},
        {"calls": [{"id": "wacid.X"}]},
        {"flow_token": "t"},
        {"statuses": FORGED},
        {"statuses": [FORGED]},
        {"statuses": [{"text": FORGED}]},
        {"metadata": {"note": FORGED}},
        {"pricing": FORGED},
        {"body": {"headers": FORGED}},
        {"contacts": [{"profile": {"name": FORGED}}]},
    ],
    ids=lambda value: str(value)[:40],
)
def test_words(value: object) -> None:
    """A person's words, and every text that could hold or hide the JSON of a status, are noticed."""
    assert not is_free_of_words(value)


ENVELOPE = {"object": "whatsapp_business_account", "entry": [{"text": "hello there"}]}


@pytest.mark.parametrize(
    "value",
    [
        ENVELOPE,
        {"id": 7, "payload": ENVELOPE, "executed": True, "error": None},
        {"source": "meta", "payload_type": "whatsapp_webhook", "statusMessage": "OK"},
        {"at": "2026-11-22T13:46:10Z", "day": "22/11/2026 13:46", "phone": "+966 50 000 0001"},
        {"link": "https://n8n.example.com/webhook/wa", "uuid": "0614a4df-13f1", "hash": "ab12"},
        {"headers": {"user-agent": "Mozilla like Gecko"}, "body": ENVELOPE},
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_machine_made(value: object) -> None:
    """Numbers, dates, ids, addresses and names of kinds are written by machines; Meta's envelope is not searched."""
    assert is_machine_made(value)
    assert not has_words(value)


@pytest.mark.parametrize("value", [{"text": "hello"}, {"source": "my own words"}, {"body": {"headers": "hello"}}])
def test_not_machine_made(value: object) -> None:
    """Any other word may be a person's."""
    assert not is_machine_made(value)


@pytest.mark.parametrize("value", ["hello there", ["a", {"b": "x y"}], {"a": {"headers": {"b": "مرحبا بك"}}}])
def test_several_words(value: object) -> None:
    """A text of several words is noticed in any script, at any place."""
    assert has_words(value)
