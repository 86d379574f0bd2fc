"""Name the provider of a status webhook that is not Meta's, by the shape of its body.

Ticktrail reads Meta's webhooks. The executions of other providers are counted as not read and named, so that they are
not taken for executions without statuses.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Shape = Callable[[dict[str, Any]], bool]


def name_provider(value: object, depth: int = 0) -> str | None:
    """Return the name of the provider whose status webhook a request's body is, or None."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict) or depth > 2:
        return None
    for name, matches in _SHAPES:
        if matches(value):
            return name
    return name_provider(value.get("body"), depth + 1) or name_provider(value.get("data"), depth + 1)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _evolution(body: dict[str, Any]) -> bool:
    event = _text(body.get("event")).lower().replace("_", ".").replace("-", ".")
    return event in ("messages.update", "send.message.update") and "instance" in body


def _waha(body: dict[str, Any]) -> bool:
    return _text(body.get("event")).startswith("message.ack") and "session" in body


def _gowa(body: dict[str, Any]) -> bool:
    return body.get("event") == "message.ack" and "receipt_type" in _object(body.get("payload"))


def _twilio(body: dict[str, Any]) -> bool:
    return ("MessageStatus" in body or "SmsStatus" in body) and "MessageSid" in body and "Body" not in body


def _gupshup(body: dict[str, Any]) -> bool:
    return body.get("type") == "message-event" and "app" in body


def _wati(body: dict[str, Any]) -> bool:
    return "statusString" in body and ("localMessageId" in body or "whatsappMessageId" in body)


def _interakt(body: dict[str, Any]) -> bool:
    message = _object(_object(body.get("data")).get("message"))
    return re.match(r"message_(api|campaign)_", _text(body.get("type"))) is not None and "message_status" in message


def _chatwoot(body: dict[str, Any]) -> bool:
    sent = body.get("message_type") in ("outgoing", "template", 1, 3)
    return body.get("event") in ("message_updated", "message_created") and sent and "account" in body


def _kapso(body: dict[str, Any]) -> bool:
    return re.match(r"whatsapp\.message\.(sent|delivered|read|failed)", _kind(body)) is not None


def _ycloud(body: dict[str, Any]) -> bool:
    return body.get("type") == "whatsapp.message.updated" and "whatsappMessage" in body


def _green_api(body: dict[str, Any]) -> bool:
    return body.get("typeWebhook") == "outgoingMessageStatus"


def _z_api(body: dict[str, Any]) -> bool:
    return body.get("type") in ("MessageStatusCallback", "DeliveryCallback") and "instanceId" in body


def _vonage(body: dict[str, Any]) -> bool:
    return "message_uuid" in body and "status" in body


def _infobip(body: dict[str, Any]) -> bool:
    results = body.get("results")
    first = _object(results[0]) if isinstance(results, list) and results else {}
    return "messageId" in first and ("status" in first or "seenAt" in first)


def _sinch(body: dict[str, Any]) -> bool:
    conversation = "message_delivery_report" in body and "project_id" in body
    statuses = body.get("statuses")
    first = _object(statuses[0]) if isinstance(statuses, list) and statuses else {}
    return conversation or {"message_id", "state", "recipient"} <= first.keys()


def _messagebird(body: dict[str, Any]) -> bool:
    status = _object(body.get("message")).get("direction") == "sent" and body.get("type") == "message.updated"
    return status or (_text(body.get("event")).startswith("whatsapp.") and "payload" in body and "service" in body)


def _whapi(body: dict[str, Any]) -> bool:
    statuses = body.get("statuses")
    return isinstance(statuses, list) and "channel_id" in body and "event" in body


def _wassenger(body: dict[str, Any]) -> bool:
    return _text(body.get("event")).startswith("message:out:") and "device" in body


def _ultramsg(body: dict[str, Any]) -> bool:
    return body.get("event_type") == "message_ack" and "instanceId" in body


def _kind(body: dict[str, Any]) -> str:
    return _text(body.get("type")) or _text(body.get("event"))


_SHAPES: tuple[tuple[str, Shape], ...] = (
    ("Evolution API", _evolution),
    ("WhatsApp Web (GOWA)", _gowa),
    ("WAHA", _waha),
    ("Twilio", _twilio),
    ("Gupshup", _gupshup),
    ("Wati", _wati),
    ("Interakt", _interakt),
    ("Chatwoot", _chatwoot),
    ("Kapso", _kapso),
    ("YCloud", _ycloud),
    ("GREEN-API", _green_api),
    ("Z-API", _z_api),
    ("Vonage", _vonage),
    ("Infobip", _infobip),
    ("Sinch", _sinch),
    ("MessageBird", _messagebird),
    ("Whapi", _whapi),
    ("Wassenger", _wassenger),
    ("UltraMsg", _ultramsg),
)
