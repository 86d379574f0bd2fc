"""The public documents: names, order, what is left out, and the schemas made of the same records."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from ticktrail.messages.document import send_to_document
from ticktrail.messages.document_records import MessageDocument, SendDocument, json_schemas
from ticktrail.messages.model import Send, SentBy, Template


def test_a_send_has_its_fields_in_order_and_none_that_is_unknown() -> None:
    """Field names and their order are the interface; what is not known is left out."""
    send = Send(key="k", message_id=None, sent_by=SentBy("w", "n", "1"), status="rejected", rejected=True, errors=({},))
    assert list(send_to_document(send).items()) == [
        ("status", "rejected"),
        ("sentBy", {"workflowId": "w", "node": "n", "executionId": "1"}),
        ("rejected", True),
        ("errors", [{}]),
    ]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    known = {"message_id": "m", "conversation_id": "c", "input": "i", "template": Template("t", None), "instance": "x"}
    whole = msgspec.structs.replace(send, sent_at=at, **known)
    assert list(send_to_document(whole)) == [
        *("messageId", "conversation_id", "input", "status", "template", "sentBy", "sentAt", "rejected", "errors"),
        "instance",
    ]


def test_schemas_have_the_names_of_the_documents() -> None:
    """A required field is always in a document, an optional one has one type and no null."""
    schemas = json_schemas((MessageDocument, SendDocument))
    assert {"Message", "Status", "Failure", "Template", "Sender", "Send"} == schemas.keys()
    message = schemas["Message"]
    assert message["properties"]["statusHistory"]["items"] == {"$ref": "#/components/schemas/Status"}
    assert "conversation_id" in message["required"]
    assert "callbackData" not in message["required"]
    assert message["properties"]["callbackData"]["type"] == "string"
