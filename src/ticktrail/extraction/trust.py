"""Decide which places of an execution are believed when they hold a status.

Belief needs proof. A trigger that machines call is believed. Everything else is believed only inside Meta's envelope,
and not in an execution into which a person's words came: nodes may have parsed such words into anything.

Pure.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

from ticktrail.extraction.payload import is_queue
from ticktrail.extraction.webhook import MAXIMUM_DEPTH
from ticktrail.extraction.words import MADE_BY_N8N, is_free_of_words
from ticktrail.extraction.workflow import Node, short_type

_CLOCKS = frozenset({"scheduletrigger", "manualtrigger", "cron", "interval", "start"})

_CALLED_BY_MACHINES = _CLOCKS | {"webhook", "whatsapptrigger", "facebooktrigger"}

_CALLED_BY_PEOPLE = re.compile(
    r"chat|mcp|form|mail|imap|telegram|slack|discord|messenger|outlook|teams|line|intercom|twilio|zendesk|crisp|freshdesk"
    r"|signal|viber|matrix|mattermost|sms|evaluation"
)
"""Types of triggers whose every item is what a person wrote."""

_FETCHES = frozenset({"httprequest", "httprequesttool", "toolhttprequest"})

_PASSES_ON = frozenset(
    {"set", "code", "function", "functionitem", "if", "switch", "filter", "merge", "splitout", "splitinbatches"}
    | {"itemlists", "aggregate", "noop", "sort", "limit", "removeduplicates", "renamekeys", "extractfromfile"}
    | {"movebinarydata", "respondtowebhook", "datetime", "comparedatasets", "whatsapp", "stopanderror"}
)
"""Types of nodes that have no data but their input's, or only Meta's answers."""

_LITERAL_HOST = re.compile(r"=?\s*https?://[^/?#{}\s]+(?=[/?#]|\s*\Z)")


class Trust(enum.IntEnum):
    """Degrees of belief in the statuses at a place in an execution: none, only Meta's envelope, or any structure."""

    NOTHING = 0
    ENVELOPE = 1
    STRUCTURE = 2


def trust_in_trigger(kind: str, mode: object) -> Trust | None:
    """Return what is believed of a trigger's items, or None when all of them are words of a person.

    Args:
        kind: the short type of the trigger.
        mode: the execution's mode. n8n runs sub-workflows as ``integrated`` and error workflows as ``error``.
    """
    if _CALLED_BY_PEOPLE.search(kind):
        return None
    machine = kind in _CALLED_BY_MACHINES or is_queue(kind)
    return Trust.STRUCTURE if machine and mode not in ("integrated", "error") else Trust.ENVELOPE


def is_trigger(kind: str) -> bool:
    """Return whether nodes of a type start workflows."""
    return "trigger" in kind or kind in _CALLED_BY_MACHINES or kind == "emailreadimap"


def takes_files_of_people(node: Node) -> bool:
    """Return whether the files that a node puts out are attachments of people's messages."""
    return _CALLED_BY_PEOPLE.search(short_type(node.type)) is not None or "whatsapp" in node.type.lower()


def is_empty_request(item: object) -> bool:
    """Return whether a Webhook node's item holds nothing that its caller wrote."""
    if not isinstance(item, dict):
        return not item
    inside = [value for key, value in item.items() if key not in MADE_BY_N8N and key != "executionMode"]
    return not any(inside) and is_free_of_words(item.get("headers"), 1)


def is_clock(kind: str) -> bool:
    """Return whether a trigger starts workflows without any data from outside."""
    return kind in _CLOCKS


def fetches_fixed_address(node: Node) -> bool:
    """Return whether a node is an HTTP request that the workflow's author wrote out whole.

    Nothing of its input reaches the server, so a person who wrote to the workflow cannot shape the answer.
    """
    parameters = node.parameters if isinstance(node.parameters, dict) else {}
    address = parameters.get("url")
    return (
        short_type(node.type) == "httprequest"
        and not node.disabled
        and isinstance(address, str)
        and has_literal_host(address)
        and not _sends_input(parameters)
    )


def has_literal_host(address: str) -> bool:
    """Return whether the author wrote the host of a URL out, whatever expressions follow it."""
    return _LITERAL_HOST.match(address) is not None


def _sends_input(value: object, depth: int = 0) -> bool:
    """Return whether parameters hold an expression, or send a file of the node's input."""
    if isinstance(value, str):
        return value.startswith("=") or "{" in value or value in ("binaryData", "formBinaryData")
    if depth > MAXIMUM_DEPTH or (isinstance(value, dict) and value.get("sendBinaryData")):
        return True
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_sends_input(item, depth + 1) for item in inside)


def trust_in_later_nodes(nodes: Iterable[Node]) -> Trust:
    """Return what is believed of nodes behind a proven trigger, from the nodes that ran.

    One node that brings in data from elsewhere (a database, an agent, a request to an address that the data names)
    is enough: what the nodes behind it put out may come from there.
    """
    trust = Trust.STRUCTURE
    for node in nodes:
        kind = short_type(node.type)
        parameters = node.parameters if isinstance(node.parameters, dict) else {}
        if kind == "form" or parameters.get("operation") == "sendAndWait" or parameters.get("resume") == "form":
            return Trust.NOTHING  # what it puts out is what a person answered
        if kind in _FETCHES:
            address = parameters.get("url")
            if not isinstance(address, str) or not has_literal_host(address):
                return Trust.NOTHING
        if kind not in _PASSES_ON:
            trust = Trust.ENVELOPE
    return trust
