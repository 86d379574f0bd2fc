"""Open the texts that are proven to be webhooks: a whole request body, or the payload of a known machine envelope.

People's words reach n8n as texts, so a text is never opened because nothing speaks against it. It is opened where
only a machine can have put it, and the caller then believes it only when it holds Meta's envelope.

Pure: takes any JSON value and never raises.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from ticktrail.extraction.words import has_words

_QUEUE = re.compile(
    r"(?:aws|amazon|azure|gcp|google\w*?|apache)?"
    r"(?:rabbitmq|kafka|mqtt|redis|amqp|sse|sns|sqs|pubsub|nats|servicebus|kinesis|pulsar)\w{0,12}trigger"
)
"""Types of the triggers that take messages from a queue, n8n's own and those of the community."""

_QUEUE_PAYLOADS = ("content", "message", "body", "data", "payload", "value", "Body", "Message")
"""Keys of such a trigger's item that hold the message."""

_QUEUE_KEYS = frozenset(
    {"topic", "channel", "partition", "offset", "key", "headers", "timestamp", "fields", "properties", "qos", "retain"}
    | {"application_properties", "message_annotations", "delivery_annotations", "header", "footer", "event", "id"}
    | {"messageId", "message_id", "lastEventId", "MessageId", "ReceiptHandle", "MD5OfBody", "Attributes", "durable"}
    | {"MessageAttributes", "priority", "ttl", "delivery_count", "content_type", "correlation_id", "creation_time"}
    | {"attributes", "publishTime", "publish_time", "ackId", "subscription", "deliveryTag", "redelivered", "sequence"}
)
"""Keys that queues put beside the message."""

_RELAY_KEYS = frozenset({"method", "path", "url", "query", "params", "headers", "httpMethod", "isBase64Encoded"}) | {
    *("requestContext", "rawPath", "rawQueryString", "version", "routeKey", "resource", "pathParameters", "cookies"),
    *("queryStringParameters", "multiValueHeaders", "multiValueQueryStringParameters", "stageVariables"),
    *("timestamp", "receivedAt", "received_at", "id", "requestId", "webhookUrl", "executionMode"),
}
"""Keys of a forwarded HTTP request (AWS Lambda's proxy event, request relays, n8n's own Webhook item)."""

_RAW_KEYS = frozenset({"data", "payload", "raw", "rawBody", "raw_body"})
"""Keys under which a relay puts a whole webhook as a text. Keys that name a person's text are not among them."""

_RELAY_QUERIES = ("query", "params", "queryStringParameters", "multiValueQueryStringParameters", "pathParameters")
"""The part of a forwarded request in which its caller may write."""

_SNS_KEYS = frozenset({"Type", "MessageId", "TopicArn", "Message", "Timestamp", "SignatureVersion", "Signature"}) | {
    *("SigningCertURL", "SigningCertUrl", "UnsubscribeURL", "UnsubscribeUrl", "MessageAttributes", "Subject"),
    *("SequenceNumber", "MessageGroupId", "MessageDeduplicationId"),
}
"""See: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"""

_SQS_KEYS = frozenset({"messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfBody"}) | {
    *("md5OfMessageAttributes", "eventSource", "eventSourceARN", "awsRegion"),
}
"""See: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""

_PUBSUB_KEYS = frozenset({"data", "attributes", "messageId", "message_id", "publishTime", "publish_time"}) | {
    "orderingKey"
}
"""See: https://cloud.google.com/pubsub/docs/push"""

_AWS_WHATSAPP_KEYS = frozenset(
    {"context", "whatsAppWebhookEntry", "aws_account_id", "message_timestamp", "messageId", "messageSource"}
)
"""See: https://docs.aws.amazon.com/social-messaging/latest/userguide/managing-event-destination-dlrs.html"""

_NESTING = 4
"""Text in text in text: AWS wraps a webhook three times."""


def is_queue(trigger: str) -> bool:
    """Return whether a trigger takes messages from a queue."""
    return _QUEUE.fullmatch(trigger) is not None


def queue_message(item: object, trigger: str) -> tuple[object, bool]:
    """Return the message in the item of a queue's trigger, and whether no words are beside it.

    Without an envelope of the queue, the item itself is the message.
    """
    if not is_queue(trigger) or not isinstance(item, dict):
        return item, True
    payloads = [key for key in _QUEUE_PAYLOADS if key in item]
    if len(payloads) != 1 or not item.keys() <= _QUEUE_KEYS | {payloads[0]}:
        return item, True
    beside = [value for key, value in item.items() if key != payloads[0]]
    return (item, False) if has_words(beside) else (item[payloads[0]], True)


def proven_payloads(item: object, trigger: str) -> list[object]:
    """Return the JSON values of the texts in a trigger's item that are proven to be payloads of a machine.

    Args:
        item: the ``json`` of an item that the trigger received; of a queue's trigger, its message.
        trigger: n8n's type of the trigger, lower case, without its package.
    """
    if is_queue(trigger):
        return list(_open(item, _NESTING))
    if trigger == "webhook" and isinstance(item, dict):
        return list(_open(item.get("body"), _NESTING))
    return []


def _open(text: object, levels: int) -> Iterator[object]:
    """Yield the JSON value of a text, and of the payloads inside it."""
    value = text
    if isinstance(text, str):
        if text.lstrip()[:1] not in {"{", "[", '"'}:
            return
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return
    if isinstance(value, str):
        if levels:
            yield from _open(value, levels - 1)
        return
    if isinstance(text, str):
        yield value
    yield from _unwrap(value, levels)


def _unwrap(value: object, levels: int) -> Iterator[object]:
    """Yield the payloads of the machine envelopes that a JSON value is, or is a list of."""
    if isinstance(value, list):
        payloads = [list(_unwrap(element, levels)) for element in value]
        if all(payloads):
            yield from itertools.chain.from_iterable(payloads)
    elif isinstance(value, dict) and levels:
        for payload in _payloads(value):
            yield from _open(payload, levels - 1)


def _payloads(value: dict[str, Any]) -> Iterator[object]:
    """Yield what the machine envelope carries; nothing when the object is not a known one."""
    records, message = value.get("Records"), value.get("message")
    if value.get("Type") == "Notification" and "TopicArn" in value:
        yield from _sns_message(value)
    elif isinstance(value.get("whatsAppWebhookEntry"), str) and value.keys() <= _AWS_WHATSAPP_KEYS:
        yield value["whatsAppWebhookEntry"]
    elif isinstance(records, list) and value.keys() == {"Records"}:
        for record in records:
            yield from _payloads(record) if isinstance(record, dict) else ()
    elif value.get("eventSource") == "aws:sqs" or {"receiptHandle", "md5OfBody"} <= value.keys():
        if value.keys() <= _SQS_KEYS and not has_words(value.get("messageAttributes")):
            yield value.get("body")
    elif value.get("EventSource") == "aws:sns" and isinstance(value.get("Sns"), dict):
        if value.keys() <= {"EventSource", "EventVersion", "EventSubscriptionArn", "Sns"}:
            yield from _sns_message(value["Sns"])
    elif isinstance(message, dict) and "subscription" in value and not {"messageId", "message_id"}.isdisjoint(message):
        known = message.keys() <= _PUBSUB_KEYS and value.keys() <= {"message", "subscription", "deliveryAttempt"}
        if known and not has_words(message.get("attributes")):
            yield decode_base64(message.get("data"))
    elif (
        isinstance(value.get("headers"), dict)
        and isinstance(value.get("body"), str)
        and value.keys() <= _RELAY_KEYS | {"body"}
        and not any(has_words(value.get(key)) for key in _RELAY_QUERIES)
    ):
        yield decode_base64(value["body"]) if value.get("isBase64Encoded") is True else value["body"]
    elif len(value) == 1 and value.keys() <= _RAW_KEYS:
        yield from (text for text in value.values() if isinstance(text, str))


def _sns_message(value: dict[str, Any]) -> Iterator[object]:
    words = value.get("Subject") or has_words(value.get("MessageAttributes"))
    if value.keys() <= _SNS_KEYS and not words:
        yield value.get("Message")


def decode_base64(content: object) -> str | None:
    """Return the text in base64, or None when it is none."""
    if not isinstance(content, str):
        return None
    try:
        return base64.b64decode(content, validate=True).decode("utf-8", "replace")
    except (ValueError, binascii.Error):
        return None
