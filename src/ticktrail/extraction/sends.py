"""Find the messages that an execution sent: Meta's answers, and the node, recipient and template behind them.

A status webhook names neither template nor workflow; the executions that send do. An accepted send is Meta's answer
(``messaging_product: "whatsapp"`` with a ``wamid.``, without what marks an inbound message), put out by a node that
asked Meta, or a server that passes Meta's answers on. A refused send is Meta's error. What looks like an answer and
comes from elsewhere is not believed, because a customer can make it.

No message text is kept. Pure.

See: https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-phone-number/message-api
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec

from ticktrail.extraction.execution import Execution, Item, Run
from ticktrail.extraction.item_names import ItemNames
from ticktrail.extraction.meta_error import find_meta_error
from ticktrail.extraction.paired_items import PairedItems, message_ids
from ticktrail.extraction.sent_request import (
    SentRequest,
    is_code_for_meta,
    is_sending_node,
    is_whatsapp_node,
    json_or_none,
    read_request,
    response_key,
    waits_for_reply,
)
from ticktrail.extraction.status import parse_timestamp
from ticktrail.extraction.trust import Trust, trust_in_later_nodes
from ticktrail.extraction.words import is_free_of_words
from ticktrail.extraction.workflow import Node, nodes_by_name, short_type
from ticktrail.messages.model import Send, SentBy
from ticktrail.text.json_decoding import decode_json
from ticktrail.text.sanitizing import clean_text

_ANSWER_KEYS = (b'messages":', b'messages" :', b"messages\\", b"messageId", b"message_id", b'"wamid"', b"wamid\\")
"""Keys of an answer's wamid, also in JSON inside a text, and in a text of that: a database row holds its data as text.

``"field": "messages"`` of a webhook is none of them.
"""


class FoundSends(msgspec.Struct, frozen=True):
    """The sends of an execution.

    Attributes:
        unbelieved: a node that did not ask Meta put out what looks like Meta's answer.
    """

    sends: tuple[Send, ...] = ()
    unbelieved: bool = False


def may_hold_send(raw: bytes) -> bool:
    """Return whether an execution's text can hold a send: an answer has messages or a wamid, a refusal an error."""
    return _is_refusal(raw) or _is_answer(raw)


def find_sends(
    execution: Execution,
    *,
    execution_id: str,
    workflow_id: str,
    clean: bool,
    called_by_person: bool = False,
    pinned: frozenset[str] = frozenset(),
) -> FoundSends:
    """Find every send in an execution, each wamid once, credited to the node that ran first.

    Args:
        clean: no words of a person came into the execution. Then a node of unknown type is believed.
        called_by_person: a chat, form or mail started the execution. Otherwise code of the workflow's author that
            names Meta's API is believed while no text could hold a forged answer.
        pinned: nodes whose output was pinned in the editor, so that they did not run.
    """
    runs = [found for found in _runs(execution, pinned) if _may_hold_send(found[2])]
    if not runs:
        return FoundSends()
    scene = _Scene(execution, execution_id, workflow_id)
    sends: dict[str, Send] = {}
    looked_alike: set[str] = set()
    for name, run_index, run in sorted(runs, key=lambda found: _order(found[2])):
        node = scene.nodes.get(name, Node(name=name))
        sending = is_sending_node(node)
        if run.first and not sending:
            continue
        by_code = not called_by_person and is_code_for_meta(node) and scene.free_of_words
        asked_meta = sending or (clean and not node.type) or by_code
        for send, believed in _accepted(scene, node, run, sending=asked_meta):
            if believed:
                sends.setdefault(send.key, send)
            else:
                looked_alike.add(send.key)
        if sending:
            for send, believed in _refused(scene, node, run_index, run):
                if believed:
                    sends.setdefault(send.key, send)
                else:
                    looked_alike.add(send.key)
    return FoundSends(tuple(sends.values()), unbelieved=not looked_alike <= sends.keys())


def _runs(execution: Execution, pinned: frozenset[str]) -> Iterator[tuple[str, int, Run]]:
    result = execution.data.result_data if execution.data else None
    for name, runs in ((result.run_data if result else None) or {}).items():
        for run_index, run in enumerate(() if name in pinned else runs or ()):
            if run is not None:
                yield name, run_index, run


def _may_hold_send(run: Run) -> bool:
    if run.failed:
        return True
    return any(
        _is_refusal(text := bytes(item.json)) or _present(item.error) or _is_answer(text) for _, _, item in run.items()
    )


def _is_refusal(text: bytes) -> bool:
    return b'"error"' in text or b"error\\" in text


def _is_answer(text: bytes) -> bool:
    return b"wamid." in text and any(key in text for key in _ANSWER_KEYS)


def _present(raw: msgspec.Raw) -> bool:
    return bytes(raw) != b"null"


def _order(run: Run) -> tuple[bool, float, float]:
    index, start = run.execution_index, run.start_time
    # By time first: a retry counts its runs from zero again, behind the copies of the first attempt's.
    begun, counted = _number(start), _number(index)
    return begun is None, begun or 0, math.inf if counted is None else counted


def _number(value: object) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


class _Scene:
    """Nodes, ids, start and look-ups of one execution, shared by its sends."""

    def __init__(self, execution: Execution, execution_id: str, workflow_id: str) -> None:
        self.execution = execution
        self.workflow_id = workflow_id
        self.execution_id = execution_id
        self.nodes = nodes_by_name(execution)
        self.started = parse_timestamp(execution.started_at)
        loops = (name for name, node in self.nodes.items() if short_type(node.type) == "splitinbatches")
        self.items = PairedItems(execution, frozenset(loops))

    @cached_property
    def free_of_words(self) -> bool:
        """True when no node asked a server that the data names, or put out a text that may hold an answer."""
        runs = list(_runs(self.execution, frozenset()))
        nodes = (self.nodes.get(name, Node(name=name)) for name, _, run in runs if not run.first)
        items = (item for _, _, run in runs for _, _, item in run.items())
        return trust_in_later_nodes(nodes) is not Trust.NOTHING and all(
            is_free_of_words(decode_json(item.json), senders=False) for item in items
        )

    def came_before(self, message_id: str, run: Run) -> bool:
        """Return whether a node that cannot send put out a message id before a run: code did not make it then."""
        first = self._first_seen.get(message_id)
        return first is not None and first < _order(run)

    @cached_property
    def _first_seen(self) -> dict[str, tuple[bool, float, float]]:
        """Message id → the order of the first run that put it out, of the nodes that cannot send."""
        seen: dict[str, tuple[bool, float, float]] = {}
        for name, _, run in _runs(self.execution, frozenset()):
            node = self.nodes.get(name, Node(name=name))
            if not is_sending_node(node) and not is_code_for_meta(node):
                for _, _, item in run.items():
                    for found in message_ids(bytes(item.json)):
                        seen[found] = min(seen.get(found, _order(run)), _order(run))
        return seen

    def sent_by(self, node: Node, run: Run) -> SentBy:
        """Return who sent. A retried execution carries copies of the first one's runs: those belong to the first."""
        start = parse_timestamp(run.start_time)
        original = _text(self.execution.retry_of)
        copied = start is not None and self.started is not None and start < self.started
        owner = original if original is not None and copied else self.execution_id
        return SentBy(self.workflow_id, clean_text(node.name), owner)

    def request(self, node: Node, run: Run, item: Item | None, index: int, failure: object = None) -> SentRequest:
        """Return what a node sent for one item."""
        return read_request(node, ItemNames(self.items, run, item, index), failure)


def _accepted(scene: _Scene, node: Node, run: Run, *, sending: bool) -> Iterator[tuple[Send, bool]]:
    """Yield what looks like an accepted send, and whether it is believed."""
    is_sender = is_sending_node(node)
    received: set[str] | None = None
    for _, index, item in run.items():
        text = bytes(item.json)
        if not _is_answer(text):
            continue
        value = _response(node, decode_json(item.json))
        answers = list(_answers(value, opens=True)) if b"messaging_product" in text else []
        if not answers and sending and not is_whatsapp_node(node):
            answers = list(_relayed(value))
        if not answers:
            continue
        request = scene.request(node, run, item, index)
        proven = answers if request.went_to_meta else [*_answers(value, opens=False), *_relayed(value)]
        proven_ids = {_message_id(message) for answer in proven for message in answer["messages"]}
        believed = sending and request.accepts() and not waits_for_reply(node)
        received = scene.items.ids_received(run) if received is None else received
        for answer in answers:
            for place, message in enumerate(answer["messages"]):
                if (message_id := _message_id(message)) is not None:
                    contact = _contact(answer.get("contacts"), place)
                    yield (
                        Send(
                            key=message_id,
                            message_id=message_id,
                            sent_by=scene.sent_by(node, run),
                            sent_at=_instant(run, scene),
                            status=_text(message.get("message_status")) or "accepted",
                            conversation_id=_text(contact.get("wa_id")),
                            input=_text(contact.get("input")),
                            template=request.template,
                        ),
                        believed
                        and message_id in proven_ids
                        and message_id not in received
                        and (is_sender or not scene.came_before(message_id, run)),
                    )


def _message_id(message: Any) -> str | None:
    if not isinstance(message, dict) or "from" in message:
        return None
    message_id = message.get("id")
    return clean_text(message_id) if isinstance(message_id, str) and message_id.startswith("wamid.") else None


def _contact(contacts: object, place: int) -> dict[str, Any]:
    contact = contacts[place] if isinstance(contacts, list) and place < len(contacts) else None
    return contact if isinstance(contact, dict) else {}


_WRAPPERS = ("body", "data", "response", "result")
"""Keys under which n8n (full response, text response, an agent's tool) or a relay puts Meta's answer."""


_RESPONSE_KEYS = frozenset({"headers", "statusCode", "statusMessage"})
"""Keys that n8n puts beside the body in a full response."""


def _response(node: Node, value: Any) -> Any:
    """Return an item with the text of a whole response under n8n's usual key, where the node names another."""
    name = response_key(node)
    if name is None or not isinstance(value, dict) or not isinstance(value.get(name), str):
        return value
    return {**{key: item for key, item in value.items() if key != name}, "data": value[name]}


def _answers(value: object, depth: int = 0, *, opens: bool) -> Iterator[dict[str, Any]]:
    """Yield Meta's answers to a send in an item.

    An inbound webhook has ``metadata``, ``field`` or ``statuses`` beside its messages; an answer never has.

    Args:
        opens: open a text that is the whole response. Other texts may be what a person wrote.
    """
    if depth > 3:
        return
    if isinstance(value, str):
        value = json_or_none(value) if value.lstrip()[:1] in {"{", "["} else None
    if isinstance(value, list):
        for element in value:
            yield from _answers(element, depth + 1, opens=False)
    elif isinstance(value, dict):
        if value.get("messaging_product") == "whatsapp" and isinstance(value.get("messages"), list):
            if not {"metadata", "field", "statuses"} & value.keys():
                yield value
            return
        for name in _WRAPPERS:
            inside = value.get(name)
            if not isinstance(inside, str) or (opens and value.keys() <= _RESPONSE_KEYS | {name}):
                yield from _answers(inside, depth + 1, opens=False)


def _relayed(value: object, *, succeeded: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the answer of a relay that returns only the wamid, in the form of Meta's answer."""
    if not isinstance(value, dict) or {"metadata", "field", "statuses", "from"} & value.keys():
        return
    succeeded = succeeded or "success" in value
    for name in ("messageId", "message_id", "wamid"):
        message_id = value.get(name)
        if isinstance(message_id, str) and message_id.startswith("wamid.") and succeeded:
            recipient = _text(value.get("to") or value.get("recipient"))
            yield {"messages": [{"id": message_id}], "contacts": [{"input": recipient, "wa_id": recipient}]}
            return
    for name in _WRAPPERS:
        yield from _relayed(value.get(name), succeeded=succeeded)


def _refused(scene: _Scene, node: Node, run_index: int, run: Run) -> Iterator[tuple[Send, bool]]:
    """Yield what looks like a refused send, and whether it is believed."""
    if run.failed:
        failure = decode_json(run.error)
        context = failure.get("context") if isinstance(failure, dict) else None
        index = context.get("itemIndex") if isinstance(context, dict) else None
        index = index if isinstance(index, int) else 0
        yield from _refusal(scene, node, run, None, failure, place=(run_index, index))
    for _, index, item in () if run.failed or waits_for_reply(node) else run.items():
        if _present(item.error):
            failure = decode_json(item.error)
        elif _is_refusal(bytes(item.json)):
            failure = _without_request(_failure_in(_response(node, decode_json(item.json))))
        else:
            continue
        yield from _refusal(scene, node, run, item, failure, place=(run_index, index))


def _without_request(failure: object) -> object:
    """Return a failure from an item's JSON without the request in it: the server that answered may have written it."""
    return {**failure, "context": None} if isinstance(failure, dict) else failure


def _failure_in(value: object, depth: int = 0) -> object:
    """Return the failure in an item's JSON: n8n's, or Meta's own error where the node never fails."""
    if isinstance(value, str):
        value = json_or_none(value) if '"error"' in value else None
    if depth > 3:
        return None
    if isinstance(value, list):
        return next((found for one in value if (found := _failure_in(one, depth + 1)) is not None), None)
    if not isinstance(value, dict):
        return None
    failure = value.get("error")
    if isinstance(failure, dict) and "fbtrace_id" in failure:
        return {"errorResponse": {"error": failure}}
    if failure is not None:
        return failure
    return next((found for name in _WRAPPERS if (found := _failure_in(value.get(name), depth + 1)) is not None), None)


def _refusal(
    scene: _Scene, node: Node, run: Run, item: Item | None, failure: object, *, place: tuple[int, int]
) -> Iterator[tuple[Send, bool]]:
    """Yield a refused send when the failure carries Meta's code. A node that never reached Meta refused nothing."""
    error = find_meta_error(failure)
    if error is None:
        return
    request = scene.request(node, run, item, place[1], failure)
    believed = request.can_be_refused()
    if not believed and not request.request.sends_by_body:
        return
    sent_by = scene.sent_by(node, run)
    start = run.start_time if isinstance(run.start_time, (int, float)) else ""
    send = Send(
        key=f"refused:{scene.workflow_id}:{sent_by.execution_id}:{node.name}:{start}:{place[0]}:{place[1]}",
        message_id=None,
        sent_by=sent_by,
        sent_at=_instant(run, scene),
        status="rejected",
        rejected=True,
        input=request.recipient,
        template=request.template,
        errors=(error,),
    )
    yield send, believed


def _instant(run: Run, scene: _Scene) -> datetime | None:
    """Return when the run started. Crash recovery writes seconds where n8n otherwise writes milliseconds."""
    start = run.start_time
    if isinstance(start, (int, float)) and not isinstance(start, bool) and 0 < start < 253_402_214_400_000:
        milliseconds = int(start) if start > 100_000_000_000 else int(start) * 1000
        return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    if scene.started is None or not -62_135_596_800 <= scene.started < 253_402_300_800:
        return None
    return datetime.fromtimestamp(scene.started, UTC)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return clean_text(value) or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
