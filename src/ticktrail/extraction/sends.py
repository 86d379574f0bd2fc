"""What an execution says of the messages it sent: Meta's answer, and the node and template behind it.

A status webhook names neither template nor workflow; the executions that send do. An accepted send is known by
shape (``messaging_product: "whatsapp"`` with a ``wamid.`` and without what marks an inbound message); a refused one
by Meta's error code, which n8n keeps in ``error.errorResponse`` (WhatsApp node), as text in ``error.messages``
(HTTP Request node), or, when the node continues on failure, only in the item's description.

No message text is kept. This module is pure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ticktrail.extraction.execution import Execution, Item, Node, Run, decode_json, decode_workflow
from ticktrail.extraction.expressions import Inputs
from ticktrail.extraction.webhook import parse_timestamp, read_error
from ticktrail.messages.model import Send, SentBy, Template
from ticktrail.text.sanitizing import clean_text

_CODE_IN_TEXT = re.compile(r"\(#(\d{1,9})\)\s*")
_EXPIRED_TOKEN = re.compile(r"error validating access token", re.IGNORECASE)
"""Meta's sentence for code 190, which n8n passes on without the code."""

_ANY_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)

_RECIPIENT = frozenset({"to", "recipient"})
"""What Meta's API calls a send's recipient: a number, or a business-scoped user id. Other requests name neither."""

_ACCEPTED_MARKS = (b"messaging_product", b"wamid.", b'"messages"')


def may_hold_send(raw: bytes) -> bool:
    """Whether an execution's text can hold a send at all: an answer has messages, a refusal an error."""
    return b'"messages":' in raw or b'"error":' in raw


def find_sends(execution: Execution, *, execution_id: str, workflow_id: str, user_wrote: bool) -> tuple[Send, ...]:
    """Every send in an execution, each wamid once, credited to the node that ran first.

    ``user_wrote`` says that the execution was started by a WhatsApp user's message: then only nodes that talk to
    Meta count, since others may pass on what the user wrote.
    """
    runs = list(_later_runs(execution))
    if not any(_may_hold_send(run) for _, _, run in runs):
        return ()
    scene = _Scene(execution, execution_id, workflow_id)
    sends: dict[str, Send] = {}
    for name, run_index, run in sorted(runs, key=lambda found: _order(found[2])):
        node = scene.nodes.get(name, Node(name=name))
        if not user_wrote or _talks_to_meta(node):
            for send in _accepted(scene, node, run):
                sends.setdefault(send.key, send)
        if _talks_to_meta(node):
            for send in _refused(scene, node, run_index, run):
                sends.setdefault(send.key, send)
    return tuple(sends.values())


def _later_runs(execution: Execution) -> Iterator[tuple[str, int, Run]]:
    result = execution.data.result_data if execution.data else None
    for name, runs in ((result.run_data if result else None) or {}).items():
        for run_index, run in enumerate(runs or ()):
            if run is not None and not run.first:
                yield name, run_index, run


def _may_hold_send(run: Run) -> bool:
    if _present(run.error):
        return True
    for _, _, item in run.items():
        text = bytes(item.json)
        if all(mark in text for mark in _ACCEPTED_MARKS) or b'"error"' in text or _present(item.error):
            return True
    return False


def _present(raw: msgspec.Raw) -> bool:
    return bytes(raw) != b"null"


def _order(run: Run) -> tuple[bool, float, float]:
    index, start = run.execution_index, run.start_time
    # By time first: a retry counts its runs from nought again, behind the copies of the first attempt's.
    begun, counted = _number(start), _number(index)
    return begun is None, begun or 0, math.inf if counted is None else counted


def _number(value: object) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


class _Scene:
    """What the sends of one execution share: its nodes, ids, and start."""

    def __init__(self, execution: Execution, execution_id: str, workflow_id: str) -> None:
        self.execution = execution
        self.workflow_id = workflow_id
        self.execution_id = execution_id
        self.nodes = {node.name: node for node in decode_workflow(execution).nodes or () if node is not None}
        self.started = parse_timestamp(execution.started_at)

    def sent_by(self, node: Node, run: Run) -> SentBy:
        """Who sent. A retried execution carries copies of the first one's runs: those belong to the first."""
        start = parse_timestamp(run.start_time)
        original = _text(self.execution.retry_of)
        copied = start is not None and self.started is not None and start < self.started
        owner = original if original is not None and copied else self.execution_id
        return SentBy(self.workflow_id, clean_text(node.name), owner)


def _talks_to_meta(node: Node) -> bool:
    """Whether a node is one that sends: a WhatsApp node other than a trigger or media, or an HTTP request."""
    kind = node.type.rsplit(".", 1)[-1].lower()
    if kind in ("httprequest", "httprequesttool", "facebookgraphapi"):
        return True
    parameters = node.parameters if isinstance(node.parameters, dict) else {}
    return "whatsapp" in node.type.lower() and "trigger" not in kind and parameters.get("resource") != "media"


def _accepted(scene: _Scene, node: Node, run: Run) -> Iterator[Send]:
    for _, index, item in run.items():
        text = bytes(item.json)
        if not all(mark in text for mark in _ACCEPTED_MARKS):
            continue
        for answer in _answers(decode_json(item.json)):
            contacts = answer.get("contacts")
            for place, message in enumerate(answer["messages"]):
                if not isinstance(message, dict) or "from" in message:
                    continue
                message_id = message.get("id")
                if not isinstance(message_id, str) or not message_id.startswith("wamid."):
                    continue
                contact = contacts[place] if isinstance(contacts, list) and place < len(contacts) else {}
                contact = contact if isinstance(contact, dict) else {}
                yield Send(
                    key=clean_text(message_id),
                    message_id=clean_text(message_id),
                    sent_by=scene.sent_by(node, run),
                    sent_at=_instant(run, scene),
                    status=_text(message.get("message_status")) or "accepted",
                    conversation_id=_text(contact.get("wa_id")),
                    input=_text(contact.get("input")),
                    template=find_template(node, Inputs(scene.execution, run, item, index)),
                )


def _answers(value: object) -> Iterator[dict[str, Any]]:
    """Meta's answers to a send in an item: the item itself, or its ``body`` when the node returns the full response.

    An inbound webhook has ``metadata``, ``field`` or ``statuses`` beside its messages; an answer never has.
    """
    if isinstance(value, dict) and isinstance(value.get("response"), list):
        value = value["response"]  # an agent's tool
    for candidate in value if isinstance(value, list) else (value,):
        for answer in (candidate, candidate.get("body")) if isinstance(candidate, dict) else ():
            if (
                isinstance(answer, dict)
                and answer.get("messaging_product") == "whatsapp"
                and isinstance(answer.get("messages"), list)
                and not {"metadata", "field", "statuses"} & answer.keys()
            ):
                yield answer


def _refused(scene: _Scene, node: Node, run_index: int, run: Run) -> Iterator[Send]:
    if _present(run.error):
        failure = decode_json(run.error)
        context = failure.get("context") if isinstance(failure, dict) else None
        index = context.get("itemIndex") if isinstance(context, dict) else None
        index = index if isinstance(index, int) else 0
        send = _refusal(scene, node, run, None, failure, place=(run_index, index))
        if send is not None:
            yield send
    for _, index, item in run.items():
        if _present(item.error):
            failure = decode_json(item.error)
        elif b'"error"' in bytes(item.json):
            value = decode_json(item.json)
            body = value.get("body") if isinstance(value, dict) else None
            holder = value if isinstance(value, dict) and "error" in value else body
            failure = holder.get("error") if isinstance(holder, dict) else None
            if isinstance(failure, dict) and "fbtrace_id" in failure:
                failure = {"errorResponse": {"error": failure}}
        else:
            continue
        send = _refusal(scene, node, run, item, failure, place=(run_index, index))
        if send is not None:
            yield send


def _refusal(
    scene: _Scene, node: Node, run: Run, item: Item | None, failure: object, *, place: tuple[int, int]
) -> Send | None:
    """A refused send, when the failure carries Meta's code; a node that never reached Meta refused nothing."""
    error = find_meta_error(failure)
    if error is None:
        return None
    request = _request_body(failure)
    inputs = Inputs(scene.execution, run, item, place[1])
    if not _is_message(node, request):
        return None
    parameters = node.parameters if isinstance(node.parameters, dict) else {}
    recipient = (
        (request.get("to") or request.get("recipient"))
        if request
        else inputs.resolve(parameters.get("recipientPhoneNumber"))
    )
    sent_by = scene.sent_by(node, run)
    start = run.start_time if isinstance(run.start_time, (int, float)) else ""
    return Send(
        key=f"refused:{scene.workflow_id}:{sent_by.execution_id}:{node.name}:{start}:{place[0]}:{place[1]}",
        message_id=None,
        sent_by=sent_by,
        sent_at=_instant(run, scene),
        status="rejected",
        rejected=True,
        input=_text(recipient),
        template=find_template(node, inputs, request),
        errors=(error,),
    )


def _is_message(node: Node, request: Mapping[str, Any] | None) -> bool:
    """Whether what a node did was sending: an HTTP request is one when its body says ``messaging_product``."""
    if "whatsapp" in node.type.lower():
        return True
    if request is not None:
        return request.get("messaging_product") == "whatsapp" and not _RECIPIENT.isdisjoint(request)
    try:
        written = json.dumps(node.parameters, default=str)
    except RecursionError:
        return False
    return "messaging_product" in written and not _RECIPIENT.isdisjoint(re.findall(r"\w+", written))


def find_meta_error(failure: object) -> dict[str, Any] | None:
    """Meta's error in a failure as n8n keeps it, with its code; None when Meta did not speak."""
    if isinstance(failure, str):
        return _error_in_text(failure)
    if not isinstance(failure, dict):
        return None
    response = failure.get("errorResponse")
    if isinstance(response, dict):
        body = response.get("body")
        for holder in (body, response):
            error = holder.get("error") if isinstance(holder, dict) else None
            if isinstance(error, dict) and (read := _graph_error(error)):
                return read
    messages = failure.get("messages")
    texts = [*messages] if isinstance(messages, list) else []
    texts += [failure.get("description"), failure.get("message")]
    for text in texts:
        if isinstance(text, str) and (read := _error_in_text(text)):
            return read
    nested = failure.get("error")
    return find_meta_error(nested) if isinstance(nested, str) else None


def _error_in_text(text: str) -> dict[str, Any] | None:
    """Meta's error in a sentence: as JSON behind the HTTP status, as ``(#code)``, or by Meta's fixed sentence."""
    _, dash, rest = text.partition(" - ")
    opened: object = rest if dash else text
    for _ in range(2):  # n8n writes the JSON of a text that is JSON
        if isinstance(opened, str) and opened.lstrip()[:1] in {"{", '"'}:
            try:
                opened = json.loads(opened)
            except (ValueError, RecursionError):
                break
    error = opened.get("error") if isinstance(opened, dict) else None
    if isinstance(error, dict):
        return _graph_error(error)
    code = _CODE_IN_TEXT.search(text)
    if code is not None:
        return _graph_error({"code": code.group(1), "message": text})
    return _graph_error({"code": 190, "message": text}) if _EXPIRED_TOKEN.search(text) else None


def _graph_error(error: dict[str, Any]) -> dict[str, Any] | None:
    """Meta's Graph error as a status error looks: its message without the code serves as title."""
    read = read_error(error)
    if "code" not in read:
        return None
    message = read.get("message")
    if message is not None and "title" not in read:
        read["title"] = _CODE_IN_TEXT.sub("", message) or message
    return dict(sorted(read.items()))


def _request_body(failure: object) -> dict[str, Any] | None:
    context = failure.get("context") if isinstance(failure, dict) else None
    request = context.get("request") if isinstance(context, dict) else None
    body = request.get("body") if isinstance(request, dict) else None
    if isinstance(body, str):
        body = _json_or_none(body)
    return body if isinstance(body, dict) else None


def find_template(node: Node, inputs: Inputs, request: Mapping[str, Any] | None = None) -> Template | None:
    """The template a send named: from the request, else from the node's parameters as the snapshot has them.

    ``request`` is the body that was really sent, which n8n keeps in the failure of an HTTP request.
    """
    if request is not None and (template := _template(request.get("template"))):
        return template
    parameters = node.parameters if isinstance(node.parameters, dict) else {}
    named = inputs.resolve(parameters.get("template"))
    if isinstance(named, str) and parameters.get("operation", "sendTemplate") == "sendTemplate":
        name, _, language = named.partition("|")
        return Template(clean_text(name), clean_text(language) or None) if name else None
    for parameter in ("jsonBody", "body"):
        written = parameters.get(parameter)
        body = inputs.resolve(written)
        if body is None and isinstance(written, str):
            body = _without_expressions(written.removeprefix("="))
        if isinstance(body, str):
            body = _json_or_none(body)
        if isinstance(body, dict) and (template := _template(body.get("template"))):
            return template
    fields = parameters.get("bodyParameters")
    named_fields = fields.get("parameters") if isinstance(fields, dict) else None
    for field in named_fields if isinstance(named_fields, list) else ():
        if isinstance(field, dict) and field.get("name") == "template":
            return _template(inputs.resolve(field.get("value")))
    return None


def _without_expressions(written: str) -> str:
    """The JSON with what expressions make unknown; a text they are a part of is unknown as a whole."""
    marked = _ANY_EXPRESSION.sub("\x7f", written)
    known = re.sub(r'"(?:[^"\\]|\\.)*"', lambda text: "null" if "\x7f" in text[0] else text[0], marked)
    return known.replace("\x7f", "null")


def _template(value: object) -> Template | None:
    if isinstance(value, str):
        value = _json_or_none(value)
    if not isinstance(value, dict):
        return None
    name, language = _text(value.get("name")), value.get("language")
    code = language.get("code") if isinstance(language, dict) else language
    return Template(name, _text(code)) if name else None


def _json_or_none(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _instant(run: Run, scene: _Scene) -> datetime | None:
    """When the run started; crash recovery writes seconds where n8n otherwise writes milliseconds."""
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
