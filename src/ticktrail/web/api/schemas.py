"""JSON Schemas of the API's answers, for its OpenAPI document."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer"}
_TRUTH: Schema = {"type": "boolean"}
_RATE: Schema = {"type": ["number", "null"], "description": "0 to 1; null without messages."}
_TIMESTAMP: Schema = {"type": ["integer", "null"], "description": "Unix seconds."}
_INSTANT: Schema = {"type": "string", "format": "date-time"}
_ANYTHING: Schema = {"type": "object"}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _object(required: Schema, optional: Schema | None = None, description: str = "") -> Schema:
    made: Schema = {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}
    return {**made, "description": description} if description else made


def ref(name: str) -> Schema:
    """A reference to a schema of :data:`SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


_ENTRY = _object(
    {
        "status": _TEXT,
        "timestamp": _TIMESTAMP,
        "timestampFormatted": _or_null(_TEXT),
        "executionId": _TEXT,
        "conversation_id": _or_null(_TEXT),
    },
    {
        "participant": _TEXT,
        "errors": _list(_ANYTHING),
        "pricing": _ANYTHING,
        "timestampSource": _TEXT,
        "workflowId": _TEXT,
    },
)

_MESSAGE = _object(
    {
        "messageId": _TEXT,
        "conversation_id": _or_null(_TEXT),
        "latestStatus": _TEXT,
        "latestTimestamp": _TIMESTAMP,
        "latestTimestampFormatted": _or_null(_TEXT),
        "statusHistory": _list(ref("Status")),
        "workflowId": _or_null(_TEXT),
        "statusCount": _NUMBER,
        "firstSeenAt": _INSTANT,
        "lastUpdatedAt": _INSTANT,
        "lastScannedAt": _INSTANT,
    },
    {
        **dict.fromkeys(("phoneNumberId", "displayPhoneNumber", "recipientUserId", "callbackData", "instance"), _TEXT),
        **{f"{name}Timestamp": _NUMBER for name in ("sent", "delivered", "read", "played", "failed", "first")},
        "pricing": _ANYTHING,
        "conflict": _TRUTH,
        "failure": _object(
            {"code": {"type": ["integer", "string", "null"]}, "title": _or_null(_TEXT), "details": _or_null(_TEXT)}
        ),
        "template": _object({"name": _TEXT, "language": _or_null(_TEXT)}),
        "sentBy": _object({"workflowId": _TEXT, "node": _TEXT, "executionId": _TEXT}),
    },
    "One message with its status history. Phone numbers and message ids are masked for viewers.",
)

_SEND = _object(
    {
        "status": {**_TEXT, "description": "accepted, held_for_quality_assessment, …; rejected when Meta refused it."},
        "sentBy": _object({"workflowId": _TEXT, "node": _TEXT, "executionId": _TEXT}),
    },
    {
        **dict.fromkeys(("messageId", "conversation_id", "input", "instance"), _TEXT),
        "template": _object({"name": _TEXT, "language": _or_null(_TEXT)}),
        "sentAt": _INSTANT,
        "rejected": _TRUTH,
        "errors": _list(_ANYTHING),
    },
    "One attempt to send, with Meta's answer. Phone numbers and message ids are masked for viewers.",
)

_NEXT: Schema = {
    "type": ["string", "null"],
    "description": "Cursor of the next page, for the parameter after; null on the last page.",
}

_COUNTS = {
    **dict.fromkeys(
        (
            "accepted",
            "messages",
            "withoutStatus",
            "awaitingStatus",
            "sent",
            "delivered",
            "read",
            "failed",
            "onTheWay",
            "other",
        ),
        _NUMBER,
    ),
    **dict.fromkeys(("deliveryRate", "readRateAtLeast", "failureRate"), _RATE),
    **dict.fromkeys(("conflicts", "notFinal"), _NUMBER),
}

_STATS = _object(
    {
        "timezone": _TEXT,
        "since": _or_null(_INSTANT),
        "until": _or_null(_INSTANT),
        "neverPassed": {**_list(_TEXT), "description": "Statuses that the trigger seems never to pass."},
        "sendsKnown": {**_or_null(_TRUTH), "description": "Sends of this period were read; null under other filters."},
        "unseen": _list(_TEXT),
        "totals": {
            **_object(_COUNTS),
            "description": "messages, withoutStatus and awaitingStatus add up to accepted.",
        },
    },
    {"store": _TEXT, "by": _TEXT, "groupCount": _NUMBER, "groups": _list(_object(_COUNTS)), "hint": _TEXT},
)

_FOLLOWED = _object(
    {
        "workflowId": _TEXT,
        "checkedAt": {
            **_or_null(_INSTANT),
            "description": "The store is complete up to then, except for the executions counted here.",
        },
        "fullAt": _or_null(_INSTANT),
        "notShown": {**_NUMBER, "description": "Executions that n8n withheld."},
        "pending": {**_NUMBER, "description": "Executions that can still change."},
        "refused": {**_NUMBER, "description": "Executions with data that the store refused."},
        "notRead": {**_list(_ANYTHING), "description": "Executions that are not believed or understood, by reason."},
        "gaps": {**_list(_ANYTHING), "description": "Periods without data."},
        "lostCount": _NUMBER,
    }
)

SCHEMAS: dict[str, Schema] = {
    "Status": _ENTRY,
    "Message": _MESSAGE,
    "Messages": _object({"messages": _list(ref("Message")), "next": _NEXT}),
    "Conversation": _object(
        {"conversationIds": _list(_TEXT), "messages": _list(ref("Message")), "next": _NEXT},
        {
            "turns": {
                **_list(ref("Turn")),
                "description": "With texts, where a workflow stores them beside the messages.",
            }
        },
        description="Several people, if the last digits of a number match several.",
    ),
    "Send": _SEND,
    "Sends": _object({"sends": _list(ref("Send")), "next": _NEXT}),
    "Turn": _object(
        {
            "timestamp": _TIMESTAMP,
            "timestampFormatted": _or_null(_TEXT),
            "direction": {"type": ["string", "null"], "enum": ["inbound", "outbound", None]},
            **dict.fromkeys(("text", "media", "messageId", "latestStatus"), _or_null(_TEXT)),
            "latestTimestamp": _TIMESTAMP,
            "latestTimestampFormatted": _or_null(_TEXT),
        },
        description="One turn, as ticktrail conversation prints it. Texts are cut at 10,000 characters.",
    ),
    "Stats": _STATS,
    "Run": _object(
        {
            "runId": _TEXT,
            "workflowId": _TEXT,
            "beganAt": _INSTANT,
            "seconds": {"type": "number"},
            "error": _or_null(_TEXT),
            "report": _ANYTHING,
        },
        {"n8n": _TEXT},
    ),
    "Runs": _object({"runs": _list(ref("Run"))}),
    "Health": _object(
        {
            "ready": _TRUTH,
            "goodAt": {**_or_null(_INSTANT), "description": "Time of the last successful sync."},
            "readySeconds": _NUMBER,
            "version": _TEXT,
            "timezone": _TEXT,
            "workflows": _list(_FOLLOWED),
        },
        {"store": _TEXT},
    ),
    "Alerts": _object(
        {"verdict": _TEXT, "checked": _TEXT, "needsYou": _NUMBER, "alerts": _list(ref("Alert"))}, {"store": _TEXT}
    ),
    "Alert": _object(
        {"key": _TEXT, "kind": _TEXT, "urgency": _TEXT, "title": _TEXT, "says": _TEXT, "remedy": _TEXT},
        {
            "messages": _NUMBER,
            "people": _NUMBER,
            "peopleAtMost": _TRUTH,
            "before": _NUMBER,
            "since": _INSTANT,
            "command": _TEXT,
            "firstSeenAt": _INSTANT,
            "acknowledgedAt": _INSTANT,
            "note": _TEXT,
        },
        "One open alert.",
    ),
    "Problem": _object(
        {"type": _TEXT, "title": _TEXT, "status": _NUMBER, "detail": _TEXT},
        {"name": _TEXT, "remedy": _TEXT},
        "RFC 9457: what is wrong, the parameter or setting it is about, and what to do.",
    ),
}


_PERSON = "966500000054"
_STATUSES = (
    ("sent", 1_795_355_171, "2026-11-22 16:46", "1041"),
    ("delivered", 1_795_355_174, "2026-11-22 16:46", "1042"),
)
_SEEN_AT = "2026-11-22T16:46:20+03:00"

EXAMPLE_MESSAGE: dict[str, Any] = {
    "messageId": "wamid.HBgMOTY2NTAwMDAwMDU0FQIAERgSNEQ2",
    "conversation_id": _PERSON,
    "latestStatus": "delivered",
    "latestTimestamp": _STATUSES[-1][1],
    "latestTimestampFormatted": _STATUSES[-1][2],
    "statusHistory": [
        {
            "status": status,
            "timestamp": timestamp,
            "timestampFormatted": formatted,
            "executionId": execution_id,
            "conversation_id": _PERSON,
        }
        for status, timestamp, formatted, execution_id in _STATUSES
    ],
    "workflowId": "bcHn4wXXcVuTsjYB",
    "statusCount": len(_STATUSES),
    "firstSeenAt": _SEEN_AT,
    "lastUpdatedAt": _SEEN_AT,
    "lastScannedAt": _SEEN_AT,
    "sentTimestamp": _STATUSES[0][1],
    "deliveredTimestamp": _STATUSES[1][1],
    "firstTimestamp": _STATUSES[0][1],
}
"""An invented message for the OpenAPI document."""


def answers(name: str) -> dict[int | str, dict[str, Any]]:
    """The answers of a path, for the OpenAPI document."""
    wrong = {"content": {"application/problem+json": {"schema": ref("Problem")}}}
    return {
        200: {"description": "The result.", "content": {"application/json": {"schema": ref(name)}}},
        "4XX": {"description": "The request cannot be answered.", **wrong},
        "503": {"description": "The store did not answer, or too many requests are waiting.", **wrong},
    }
