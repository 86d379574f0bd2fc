"""Webhooks of other providers: named by the shape of a status, never by that of a message."""

from __future__ import annotations

from typing import Any

import pytest

from ticktrail.extraction.providers import name_provider

STATUSES: list[tuple[str, dict[str, Any]]] = [
    ("Evolution API", {"event": "messages.update", "instance": "i", "data": {"keyId": "3E", "status": "READ"}}),
    ("Evolution API", {"event": "MESSAGES_UPDATE", "instance": "i", "data": {}}),
    ("WAHA", {"event": "message.ack", "session": "s", "payload": {"ack": 2}}),
    ("WhatsApp Web (GOWA)", {"event": "message.ack", "payload": {"ids": ["3E"], "receipt_type": "delivered"}}),
    ("Twilio", {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "whatsapp:+15550000001"}),
    ("Gupshup", {"app": "A", "type": "message-event", "payload": {"type": "read"}}),
    ("Wati", {"eventType": "sentMessageDELIVERED_v2", "localMessageId": "l", "statusString": "Delivered"}),
    ("Interakt", {"type": "message_api_delivered", "data": {"message": {"message_status": "Delivered"}}}),
    ("Chatwoot", {"event": "message_updated", "message_type": "outgoing", "account": {"id": 1}}),
    ("Kapso", {"event": "whatsapp.message.delivered", "message": {}}),
    ("YCloud", {"type": "whatsapp.message.updated", "whatsappMessage": {"status": "failed"}}),
    ("GREEN-API", {"typeWebhook": "outgoingMessageStatus", "status": "read"}),
    ("Z-API", {"type": "MessageStatusCallback", "instanceId": "A", "status": "READ"}),
    ("Vonage", {"message_uuid": "u", "channel": "whatsapp", "status": "delivered"}),
    ("Infobip", {"results": [{"messageId": "m", "status": {"groupName": "DELIVERED"}}]}),
    ("Sinch", {"project_id": "p", "message_delivery_report": {"status": "READ"}}),
    ("MessageBird", {"type": "message.updated", "message": {"direction": "sent", "status": "read"}}),
    ("Whapi", {"statuses": [{"id": "x", "status": "read"}], "event": {"type": "statuses"}, "channel_id": "C"}),
    ("Wassenger", {"event": "message:out:ack", "device": {"id": "d"}}),
    ("UltraMsg", {"event_type": "message_ack", "instanceId": "1", "data": {"ack": "device"}}),
]


@pytest.mark.parametrize(("name", "body"), STATUSES, ids=lambda value: value if isinstance(value, str) else "")
def test_named(name: str, body: dict[str, Any]) -> None:
    """The provider is named from the body, from a Webhook node's item, and from the first of a list."""
    assert name_provider(body) == name
    assert name_provider({"headers": {}, "body": body}) == name
    assert name_provider({"headers": {}, "body": [body]}) == name


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "x",
        {},
        {"event": 7, "type": [], "statuses": {}, "results": [7], "message": "x"},
        {"event": "messages.upsert", "instance": "i", "data": {"message": {"conversation": "hello"}}},
        {"event": "message", "session": "s", "payload": {"body": "hello"}},
        {"MessageSid": "SM1", "SmsStatus": "received", "Body": "hello"},
        {"event": "message_created", "message_type": "incoming", "account": {"id": 1}},
        {"typeWebhook": "incomingMessageReceived"},
        {"object": "whatsapp_business_account", "entry": []},
        {"order": 7, "status": "paid"},
    ],
    ids=str,
)
def test_not_named(value: object) -> None:
    """Messages of people, Meta's own webhooks and anything else name no provider."""
    assert name_provider(value) is None
