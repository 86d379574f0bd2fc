"""Trust in triggers and nodes."""

from __future__ import annotations

from typing import Any

import pytest

from ticktrail.extraction.trust import (
    Trust,
    fetches_fixed_address,
    trust_in_later_nodes,
    trust_in_trigger,
)
from ticktrail.extraction.workflow import Node


@pytest.mark.parametrize(
    ("kind", "mode", "trust"),
    [
        ("webhook", "webhook", Trust.STRUCTURE),
        ("whatsapptrigger", "webhook", Trust.STRUCTURE),
        ("scheduletrigger", "trigger", Trust.STRUCTURE),
        ("rabbitmqtrigger", "trigger", Trust.STRUCTURE),
        ("webhook", "integrated", Trust.ENVELOPE),
        ("executeworkflowtrigger", "integrated", Trust.ENVELOPE),
        ("executeworkflowtrigger", "retry", Trust.ENVELOPE),
        ("errortrigger", "error", Trust.ENVELOPE),
        ("mcptrigger", "webhook", None),
        ("", "webhook", Trust.ENVELOPE),
        ("chattrigger", "webhook", None),
        ("formtrigger", "webhook", None),
        ("emailreadimap", "trigger", None),
        ("gmailtrigger", "trigger", None),
        ("telegramtrigger", "webhook", None),
    ],
)
def test_triggers(kind: str, mode: str, trust: Trust | None) -> None:
    """Triggers that machines call are believed, those of people never, all others inside Meta's envelope."""
    assert trust_in_trigger(kind, mode) is trust


@pytest.mark.parametrize(
    ("kinds", "trust"),
    [
        ([], Trust.STRUCTURE),
        (["set", "code", "splitOut", "splitInBatches", "extractFromFile", "whatsApp"], Trust.STRUCTURE),
        (["set", "postgres"], Trust.ENVELOPE),
        (["agent", "set"], Trust.ENVELOPE),
        (["wait"], Trust.ENVELOPE),
        ([""], Trust.ENVELOPE),
    ],
)
def test_later_nodes(kinds: list[str], trust: Trust) -> None:
    """One node that brings data in from elsewhere lowers the trust in all of them."""
    assert trust_in_later_nodes([Node(name=kind, type=f"n8n-nodes-base.{kind}") for kind in kinds]) is trust


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("form", {}), ("telegram", {"operation": "sendAndWait"}), ("wait", {"resume": "form"})],
)
def test_nodes_that_ask_a_person(kind: str, parameters: dict[str, Any]) -> None:
    """Answers of a person to a form, or to *Send and wait*, are not trusted."""
    asking = Node(name=kind, type=f"n8n-nodes-base.{kind}", parameters=parameters)

    assert trust_in_later_nodes([asking]) is Trust.NOTHING


def fetch(**parameters: Any) -> Node:
    """An HTTP Request node."""
    return Node(name="Fetch", type="n8n-nodes-base.httpRequest", parameters=parameters)


@pytest.mark.parametrize(
    ("parameters", "trust", "fixed"),
    [
        ({"url": "https://relay.example.com/api"}, Trust.ENVELOPE, True),
        ({"url": "https://relay.example.com/api", "options": {"timeout": 7}}, Trust.ENVELOPE, True),
        ({"url": "=https://relay.example.com/api?since={{ $json.at }}"}, Trust.ENVELOPE, False),
        ({"url": "https://relay.example.com/api", "jsonBody": "={{ $json.text }}"}, Trust.ENVELOPE, False),
        ({"url": "={{ $json.link }}"}, Trust.NOTHING, False),
        ({"url": "=https://{{ $json.host }}/api"}, Trust.NOTHING, False),
        ({"url": "https://relay.example.com{{ $json.path }}"}, Trust.NOTHING, False),
        ({}, Trust.NOTHING, False),
        (None, Trust.NOTHING, False),
    ],
)
def test_requests(parameters: dict[str, Any] | None, trust: Trust, fixed: bool) -> None:  # noqa: FBT001
    """The host must be the author's; only a request without any expression stands for itself."""
    node = fetch(**parameters) if parameters is not None else Node(name="Fetch", type="n8n-nodes-base.httpRequest")

    assert trust_in_later_nodes([node]) is trust
    assert fetches_fixed_address(node) is fixed
