"""Records of the public documents: their fields, names and order are the interface that people query.

:func:`as_dict` turns a record into a document, :func:`json_schemas` describes it. A document leaves out optional fields
that are unset.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

UnixSeconds = Annotated[int, Meta(description="Unix seconds.")]


class Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A document whose fields are named in camelCase."""


class StatusDocument(Document, frozen=True, kw_only=True):
    """One status as it was reported."""

    status: str
    timestamp: UnixSeconds | None
    timestamp_formatted: str | None
    execution_id: str
    conversation_id: str | None = field(name="conversation_id")
    participant: str | UnsetType = UNSET
    errors: list[dict[str, Any]] | UnsetType = UNSET
    pricing: dict[str, Any] | UnsetType = UNSET
    timestamp_source: str | UnsetType = UNSET
    workflow_id: str | UnsetType = UNSET


class FailureDocument(Document, frozen=True, kw_only=True):
    """Why a message failed."""

    code: int | str | None
    title: str | None
    details: str | None


class TemplateDocument(Document, frozen=True, kw_only=True):
    """The template that a message was made from."""

    name: str
    language: str | None


class SenderDocument(Document, frozen=True, kw_only=True):
    """The node and the execution that sent a message."""

    workflow_id: str
    node: str
    execution_id: str


class MessageDocument(Document, frozen=True, kw_only=True):
    """One message with its status history. Phone numbers and message ids are masked for viewers."""

    message_id: str
    conversation_id: str | None = field(name="conversation_id")
    latest_status: str
    latest_timestamp: UnixSeconds | None
    latest_timestamp_formatted: str | None
    status_history: list[StatusDocument]
    workflow_id: str | None
    status_count: int
    first_seen_at: datetime
    last_updated_at: datetime
    last_scanned_at: datetime
    phone_number_id: str | UnsetType = UNSET
    display_phone_number: str | UnsetType = UNSET
    recipient_user_id: str | UnsetType = UNSET
    callback_data: str | UnsetType = UNSET
    instance: str | UnsetType = UNSET
    pricing: dict[str, Any] | UnsetType = UNSET
    conflict: bool | UnsetType = UNSET
    failure: FailureDocument | UnsetType = UNSET
    sent_timestamp: UnixSeconds | UnsetType = UNSET
    delivered_timestamp: UnixSeconds | UnsetType = UNSET
    read_timestamp: UnixSeconds | UnsetType = UNSET
    played_timestamp: UnixSeconds | UnsetType = UNSET
    failed_timestamp: UnixSeconds | UnsetType = UNSET
    first_timestamp: UnixSeconds | UnsetType = UNSET
    template: TemplateDocument | UnsetType = UNSET
    sent_by: SenderDocument | UnsetType = UNSET


class SendDocument(Document, frozen=True, kw_only=True):
    """One attempt to send, with Meta's answer. Phone numbers and message ids are masked for viewers."""

    message_id: str | UnsetType = UNSET
    conversation_id: str | UnsetType = field(name="conversation_id", default=UNSET)
    input: str | UnsetType = UNSET
    status: Annotated[str, Meta(description="accepted, held_for_quality_assessment, …; rejected when Meta refused it.")]
    template: TemplateDocument | UnsetType = UNSET
    sent_by: SenderDocument
    sent_at: datetime | UnsetType = UNSET
    rejected: bool | UnsetType = UNSET
    errors: list[dict[str, Any]] | UnsetType = UNSET
    instance: str | UnsetType = UNSET


def as_dict(record: Document) -> dict[str, Any]:
    """Return the document of a record: fields in their order, unset ones left out, dates as they are."""
    document: dict[str, Any] = {}
    for attribute, name in _names(type(record)):
        value = getattr(record, attribute)
        if value is UNSET:
            continue
        if isinstance(value, Document):
            value = as_dict(value)
        elif attribute == "status_history":
            value = [as_dict(entry) for entry in value]
        document[name] = value
    return document


def json_schemas(records: Iterable[type[msgspec.Struct]]) -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas of records and of those inside them, by class name without ``Document``."""
    _, components = msgspec.json.schema_components(records, ref_template="#/components/schemas/{name}")
    # A class is named MessageDocument beside the class Message; the API's schema is named Message.
    written = msgspec.json.encode(components).replace(b'Document"', b'"')
    schemas: dict[str, dict[str, Any]] = msgspec.json.decode(written)
    return schemas


@cache
def _names(record: type[Document]) -> tuple[tuple[str, str], ...]:
    return tuple(zip(record.__struct_fields__, record.__struct_encode_fields__, strict=True))
