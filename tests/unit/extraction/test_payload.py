"""Texts that are webhooks: opened where only a machine can have put them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ticktrail.extraction.payload import is_queue, proven_payloads, queue_message

META: dict[str, Any] = {"object": "whatsapp_business_account", "entry": []}
TEXT = json.dumps(META)
ENTRY = {"id": "1", "changes": []}
PUBSUB = {"message": {"data": base64.b64encode(TEXT.encode()).decode(), "messageId": "1"}, "subscription": "s"}
SNS = {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "MessageId": "1", "Message": TEXT}
SQS = {"eventSource": "aws:sqs", "receiptHandle": "r", "body": TEXT}


@pytest.mark.parametrize(
    "body",
    [
        TEXT,
        f"\n {TEXT}",
        json.dumps(TEXT),
        SNS,
        json.dumps(SNS),
        {"Records": [SQS]},
        [{"messageId": "1", "receiptHandle": "r", "md5OfBody": "x", "body": TEXT}],
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": TEXT}}]},
        {**SQS, "body": json.dumps(SNS)},
        PUBSUB,
        {"headers": {"x-hub-signature-256": "sha256=0"}, "body": TEXT},
        {"headers": {}, "body": base64.b64encode(TEXT.encode()).decode(), "isBase64Encoded": True},
        {"payload": TEXT},
        {"rawBody": TEXT},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_payload_of_a_machine(body: object) -> None:
    """The whole request body, and the payload of a known machine envelope, are opened."""
    assert META in proven_payloads({"headers": {}, "body": body}, "webhook")


def test_webhook_of_aws_in_a_text_in_a_text() -> None:
    """AWS puts Meta's entry as a text into its message, which SNS puts as a text into its own."""
    message = {"context": {"MetaWabaIds": []}, "whatsAppWebhookEntry": json.dumps(ENTRY), "messageId": "1"}
    body = json.dumps({**SNS, "Message": json.dumps(message)})

    assert ENTRY in proven_payloads({"headers": {}, "body": body}, "webhook")


@pytest.mark.parametrize(
    "body",
    [
        {"text": TEXT},
        {"text": TEXT, "contact_id": "5"},
        {"payload": TEXT, "contact_id": "5"},
        {"data": {"text": TEXT}},
        {"message": TEXT, "topic": "orders"},
        {"content": TEXT, "fields": {}},
        {"headers": {}, "body": TEXT, "name": "Sara"},
        {"whatsAppWebhookEntry": TEXT, "comment": "hello"},
        {"Records": [SQS], "comment": "hello"},
        {"message": {"data": "no base64!", "messageId": "1"}, "subscription": "s"},
        "hello " + TEXT,
        "{" + TEXT,
        "[" * 100_000,
        7,
        None,
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_text_that_stays_closed(body: object) -> None:
    """A text beside which a person could have written, or whose envelope is not known, is not opened."""
    assert META not in proven_payloads({"headers": {}, "body": body}, "webhook")


@pytest.mark.parametrize("trigger", ["chattrigger", "formtrigger", "executeworkflowtrigger", "telegramtrigger", ""])
def test_other_triggers(trigger: str) -> None:
    """No other trigger's texts are opened."""
    assert proven_payloads({"headers": {}, "body": TEXT}, trigger) == []


@pytest.mark.parametrize(
    ("trigger", "item"),
    [
        ("rabbitmqtrigger", {"content": TEXT, "fields": {"routingKey": "wa"}, "properties": {}}),
        ("kafkatrigger", {"message": TEXT, "topic": "wa", "partition": 0}),
        ("mqtttrigger", {"message": TEXT, "topic": "wa"}),
        ("redistrigger", {"message": TEXT, "channel": "wa"}),
        ("amqptrigger", {"body": TEXT}),
        ("ssetrigger", {"data": TEXT}),
        ("sqstrigger", {"MessageId": "1", "ReceiptHandle": "r", "Body": TEXT}),
        ("googlepubsubtrigger", {"data": TEXT, "attributes": {}, "messageId": "1"}),
        ("awssnstrigger", SNS),
    ],
)
def test_message_of_a_queue(trigger: str, item: dict[str, Any]) -> None:
    """The message of a queue is opened; an object is a message as it is."""
    assert META in proven_payloads(queue_message(item, trigger)[0], trigger)
    parsed = {key: META if value == TEXT else value for key, value in item.items()}
    if trigger != "awssnstrigger":
        assert queue_message(parsed, trigger) == (META, True)


@pytest.mark.parametrize(
    ("trigger", "queue"),
    [
        ("ssetrigger", True),
        ("googlecloudpubsubtrigger", True),
        ("passengertrigger", False),
        ("messengertrigger", False),
    ],
)
def test_queues_are_known_by_their_whole_name(trigger: str, *, queue: bool) -> None:
    """A queue's name inside another word does not make a trigger a queue."""
    assert is_queue(trigger) is queue


def test_message_of_a_queue_beside_other_texts() -> None:
    """Beside keys that no queue has, the text is not taken for the queue's message."""
    item = {"message": TEXT, "name": "Sara"}

    assert proven_payloads(queue_message(item, "kafkatrigger")[0], "kafkatrigger") == []
