"""Decide which places of an execution are believed when they hold a status.

Belief needs proof. A trigger that machines call is believed. Everything else is believed only inside Meta's envelope,
and not in an execution into which a person's words came: nodes may have parsed such words into anything.

Pure.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from typing import Any

from ticktrail.extraction.execution import Execution, Node, decode_workflow
from ticktrail.extraction.payload import is_queue
from ticktrail.extraction.webhook import names_a_person

_CLOCKS = frozenset({"scheduletrigger", "manualtrigger", "cron", "interval", "start", "evaluationtrigger"})

_CALLED_BY_MACHINES = _CLOCKS | {"webhook", "whatsapptrigger", "facebooktrigger"}

_CALLED_BY_PEOPLE = re.compile(
    r"chat|form|mail|imap|telegram|slack|discord|messenger|outlook|teams|line|intercom|twilio|zendesk|crisp|freshdesk"
)
"""Types of triggers whose every item is what a person wrote."""

_FETCHES = frozenset({"httprequest", "httprequesttool", "toolhttprequest"})

_PASSES_ON = frozenset(
    {"set", "code", "function", "functionitem", "if", "switch", "filter", "merge", "splitout", "splitinbatches"}
    | {"itemlists", "aggregate", "noop", "sort", "limit", "removeduplicates", "renamekeys", "extractfromfile"}
    | {"movebinarydata", "respondtowebhook", "datetime", "comparedatasets", "whatsapp", "stopanderror"}
)
"""Types of nodes that have no data but their input's, or only Meta's answers."""

_WAMID = re.compile(r"wamid\.[\w+/=.:-]*")

_LONGEST_WORD = 60
"""A text that is longer may hold the JSON of a status, plain or encoded. The shortest status has 64 bytes in base64."""

_MADE_BY_N8N = frozenset({"headers", "webhookUrl"})
"""Keys of a Webhook node's item that hold no part of the body."""

_LITERAL_HOST = re.compile(r"=?\s*https?://[^/?#{}\s]+(?=[/?#]|\s*\Z)")


class Trust(enum.Enum):
    """Degrees of belief in the statuses at a place in an execution: none, only Meta's envelope, or any structure."""

    NOTHING = 0
    ENVELOPE = 1
    STRUCTURE = 2


def short_type(node_type: str) -> str:
    """Return n8n's type of a node in lower case, without its package."""
    return node_type.rsplit(".", 1)[-1].lower()


def trust_in_trigger(kind: str, mode: object) -> Trust | None:
    """Return what is believed of a trigger's items, or None when all of them are words of a person.

    Args:
        kind: the short type of the trigger.
        mode: the execution's mode. n8n runs sub-workflows as ``integrated`` and error workflows as ``error``.
    """
    if (kind in _CALLED_BY_MACHINES or is_queue(kind)) and mode not in ("integrated", "error"):
        return Trust.STRUCTURE
    return None if _CALLED_BY_PEOPLE.search(kind) else Trust.ENVELOPE


def is_clock(kind: str) -> bool:
    """Return whether a trigger starts workflows without any data from outside."""
    return kind in _CLOCKS


def node_kinds(execution: Execution) -> dict[str, Node]:
    """Return the nodes of the execution's snapshot by name."""
    return {node.name: node for node in decode_workflow(execution).nodes or () if node is not None}


def fetches_fixed_address(node: Node) -> bool:
    """Return whether a node is an HTTP request that the workflow's author wrote out whole.

    Nothing of its input reaches the server, so a person who wrote to the workflow cannot shape the answer.
    """
    parameters = node.parameters if isinstance(node.parameters, dict) else {}
    address = parameters.get("url")
    return (
        short_type(node.type) in _FETCHES
        and isinstance(address, str)
        and has_literal_host(address)
        and not _has_expression(parameters)
    )


def has_literal_host(address: str) -> bool:
    """Return whether the author wrote the host of a URL out, whatever expressions follow it."""
    return _LITERAL_HOST.match(address) is not None


def _has_expression(value: object, depth: int = 0) -> bool:
    if isinstance(value, str):
        return value.startswith("=") or "{" in value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 12 or any(_has_expression(item, depth + 1) for item in inside)


def trust_in_later_nodes(nodes: Iterable[Node]) -> Trust:
    """Return what is believed of nodes behind a proven trigger, from the nodes that ran.

    One node that brings in data from elsewhere (a database, an agent, a request to an address that the data names)
    is enough: what the nodes behind it put out may come from there.
    """
    trust = Trust.STRUCTURE
    for node in nodes:
        kind = short_type(node.type)
        if kind in _FETCHES:
            parameters = node.parameters if isinstance(node.parameters, dict) else {}
            address = parameters.get("url")
            if not isinstance(address, str) or not has_literal_host(address):
                return Trust.NOTHING
        if kind not in _PASSES_ON:
            trust = Trust.ENVELOPE
    return trust


def is_free_of_words(value: object, depth: int = 0) -> bool:
    """Return whether a JSON value holds no text of a person that could be, or hide, the JSON of a status."""
    if depth > 12:
        return False
    if isinstance(value, str):
        return (len(value) <= _LONGEST_WORD and "{" not in value and "[" not in value) or bool(_WAMID.fullmatch(value))
    if isinstance(value, list):
        return all(is_free_of_words(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return True
    if names_a_person(value):
        return False
    return all(_is_member_free(key, item, depth) for key, item in value.items())


def _is_member_free(key: str, item: object, depth: int) -> bool:
    if key == "contacts" and isinstance(item, list):
        return _are_contacts(item)
    if key == "statuses" and isinstance(item, list):
        return all(is_free_of_words(_without_sentences(status), depth + 2) for status in item)
    return (key in _MADE_BY_N8N and depth == 0) or is_free_of_words(item, depth + 1)


def _without_sentences(status: object) -> object:
    """Return a status without what Meta and the business write into it: errors, and callback data."""
    if not isinstance(status, dict):
        return status
    errors, data = status.get("errors"), status.get("biz_opaque_callback_data")
    left_out = {"errors"} if isinstance(errors, list) else set()
    if isinstance(data, str) and "wamid." not in data:
        left_out.add("biz_opaque_callback_data")
    return {key: item for key, item in status.items() if key not in left_out}


def _are_contacts(contacts: list[Any]) -> bool:
    """Return whether Meta's ``contacts`` hold names and ids, not the JSON of something."""
    return all(
        is_free_of_words(value)
        for contact in contacts
        for value in (contact.values() if isinstance(contact, dict) else [contact])
    )
