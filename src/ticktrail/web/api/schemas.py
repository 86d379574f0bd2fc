"""Records of the API's answers, and the JSON Schemas that msgspec makes of them for the OpenAPI document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ticktrail.messages.document_records import (
    MessageDocument,
    SendDocument,
    StatusDocument,
    UnixSeconds,
    as_dict,
    json_schemas,
)

Schema = dict[str, Any]
Next = Annotated[
    str | None, Meta(description="Cursor of the next page, for the parameter after; null on the last page.")
]
Rate = Annotated[float | None, Meta(description="0 to 1; null for fewer than 20 messages, and where it is unknown.")]
Seconds = Annotated[int | None, Meta(description="Seconds; null for fewer than 20 measured messages.")]
GroupKey = Annotated[
    str | None, Meta(description="In groups by this: what the messages share; null for those without it.")
]


class Answer(msgspec.Struct, kw_only=True, rename="camel"):
    """An answer whose fields are named in camelCase."""


class Messages(Answer, kw_only=True):
    """A page of messages."""

    messages: list[MessageDocument]
    next: Next


class Turn(Answer, kw_only=True):
    """One turn, as ticktrail conversation prints it. Texts are cut at 10,000 characters."""

    timestamp: UnixSeconds | None
    timestamp_formatted: str | None
    direction: Literal["inbound", "outbound"] | None
    text: str | None
    media: str | None
    message_id: str | None
    latest_status: str | None
    latest_timestamp: UnixSeconds | None
    latest_timestamp_formatted: str | None


class Conversation(Answer, kw_only=True):
    """A page of a conversation; of several people, if the last digits of a number match several."""

    conversation_ids: list[str]
    messages: list[MessageDocument]
    next: Next
    turns: (
        Annotated[list[Turn], Meta(description="With texts, where a workflow stores them beside the messages.")]
        | UnsetType
    ) = UNSET


class Sends(Answer, kw_only=True):
    """A page of sends."""

    sends: list[SendDocument]
    next: Next


class Figures(Answer, kw_only=True):
    """Counts and rates of messages."""

    accepted: int
    messages: int
    without_status: int
    awaiting_status: int
    sent: int
    delivered: int
    read: int
    failed: int
    on_the_way: int
    other: int
    delivery_rate: Rate
    read_rate_at_least: Rate
    failure_rate: Rate
    conflicts: int
    not_final: int


class TimeToDeliver(Answer, kw_only=True):
    """Percentiles of the time from sent to delivered."""

    p50: Seconds
    p90: Seconds
    p99: Seconds
    measured: int
    not_delivered: Annotated[int, Meta(description="Pending or failed messages, which have no time to deliver.")]


class ReadWithin(Answer, kw_only=True):
    """Messages read within an hour, or a day, of their delivery."""

    delivered_at_known_time: int
    hour: int
    hour_rate: Rate
    day: int
    day_rate: Rate


class Pricing(Answer, kw_only=True):
    """Messages that arrived, of one pricing category."""

    category: str | None
    billable: int
    free: int
    unknown: int


class LeftOut(Answer, kw_only=True):
    """Messages that are in no other number."""

    groups: Annotated[int, Meta(description="Messages to groups.")]
    tests: Annotated[int, Meta(description="Meta's test messages.")]


class Totals(Figures, kw_only=True):
    """Counts and rates of all messages of a period."""

    time_to_deliver: TimeToDeliver
    read_within: ReadWithin
    pricing: list[Pricing]
    left_out: LeftOut


class Group(Figures, kw_only=True):
    """Counts and rates of one group; its key has the name of the grouping."""

    label: Annotated[str | None, Meta(description="The key in other words, such as the title of a failure code.")]
    day: GroupKey | UnsetType = UNSET
    hour: GroupKey | UnsetType = UNSET
    user: GroupKey | UnsetType = UNSET
    error: GroupKey | UnsetType = UNSET
    category: GroupKey | UnsetType = UNSET
    template: GroupKey | UnsetType = UNSET
    campaign: GroupKey | UnsetType = UNSET
    number: GroupKey | UnsetType = UNSET
    country: GroupKey | UnsetType = UNSET
    workflow: GroupKey | UnsetType = UNSET
    sender: GroupKey | UnsetType = UNSET
    people: (
        Annotated[int | None, Meta(description="By error: recipients that a message did not reach.")] | UnsetType
    ) = UNSET
    p50_to_deliver: Seconds | UnsetType = UNSET
    p90_to_deliver: Seconds | UnsetType = UNSET
    p99_to_deliver: Seconds | UnsetType = UNSET


class Stats(Answer, kw_only=True):
    """Statistics of a period."""

    timezone: str
    since: datetime | None
    until: datetime | None
    never_passed: Annotated[list[str], Meta(description="Statuses that the trigger seems never to pass.")]
    sends_known: Annotated[
        bool | None, Meta(description="Sends of this period were read; null under filters that sends do not have.")
    ]
    unseen: list[str]
    totals: Annotated[Totals, Meta(description="messages, withoutStatus and awaitingStatus add up to accepted.")]
    store: str | UnsetType = UNSET
    by: str | UnsetType = UNSET
    group_count: int | UnsetType = UNSET
    groups: list[Group] | UnsetType = UNSET
    hint: str | UnsetType = UNSET


class Report(Answer, kw_only=True):
    """The result of a sync. A failed one has ``times`` alone, once it failed more than once in a row."""

    executions: int | UnsetType = UNSET
    with_statuses: int | UnsetType = UNSET
    without_statuses: int | UnsetType = UNSET
    unfinished: int | UnsetType = UNSET
    not_shown: dict[str, int] | UnsetType = UNSET
    not_read: dict[str, int] | UnsetType = UNSET
    events: int | UnsetType = UNSET
    new_events: int | UnsetType = UNSET
    inserted: int | UnsetType = UNSET
    updated: int | UnsetType = UNSET
    unchanged: int | UnsetType = UNSET
    sends: int | UnsetType = UNSET
    left_out: int | UnsetType = UNSET
    listed: int | UnsetType = UNSET
    settled: int | UnsetType = UNSET
    requests: int | UnsetType = UNSET
    bytes: int | UnsetType = UNSET
    problems: int | UnsetType = UNSET
    pages: int | UnsetType = UNSET
    seconds: float | UnsetType = UNSET
    source: str | UnsetType = UNSET
    store: str | UnsetType = UNSET
    workflow_id: str | UnsetType = UNSET
    workflow_name: str | UnsetType | None = UNSET
    depth: str | UnsetType = UNSET
    complete: bool | UnsetType = UNSET
    rebuilt: bool | UnsetType = UNSET
    busy: bool | UnsetType = UNSET
    stopped: bool | UnsetType = UNSET
    open: dict[str, int] | UnsetType = UNSET
    refused: list[dict[str, Any]] | UnsetType = UNSET
    gap: dict[str, Any] | UnsetType | None = UNSET
    lost: list[dict[str, Any]] | UnsetType = UNSET
    checked_at: str | UnsetType | None = UNSET
    times: int | UnsetType = UNSET


class Run(Answer, kw_only=True):
    """One sync of one workflow."""

    run_id: str
    workflow_id: str
    began_at: datetime
    seconds: float
    error: str | None
    report: Report
    n8n: str | UnsetType = UNSET


class Runs(Answer, kw_only=True):
    """The last syncs."""

    runs: list[Run]


class NotRead(Answer, kw_only=True):
    """Executions that are not believed or understood, for one reason."""

    reason: str
    provider: str | None
    count: int
    last_execution_id: int
    last_at: datetime


class Gap(Answer, kw_only=True):
    """A period without data, because n8n deleted its executions before they were read."""

    after_id: int
    before_id: int
    from_started_at: str | None
    to_started_at: str | None
    found_at: datetime


class Workflow(Answer, kw_only=True):
    """Completeness of one workflow's executions in the store."""

    workflow_id: str
    checked_at: Annotated[
        datetime | None, Meta(description="The store is complete up to then, except for the executions counted here.")
    ]
    full_at: datetime | None
    not_shown: Annotated[int, Meta(description="Executions that n8n withheld.")]
    pending: Annotated[int, Meta(description="Executions that can still change.")]
    refused: Annotated[int, Meta(description="Executions with data that the store refused.")]
    not_read: list[NotRead]
    gaps: list[Gap]
    lost_count: int


class Health(Answer, kw_only=True):
    """State of the syncs, and completeness of the store."""

    ready: bool
    good_at: Annotated[datetime | None, Meta(description="Time of the last successful sync.")]
    ready_seconds: int
    version: str
    timezone: str
    workflows: list[Workflow]
    store: str | UnsetType = UNSET


class Alert(Answer, kw_only=True):
    """One open alert."""

    key: str
    kind: str
    urgency: str
    title: str
    says: str
    remedy: str
    messages: int | UnsetType = UNSET
    people: int | UnsetType = UNSET
    people_at_most: bool | UnsetType = UNSET
    before: int | UnsetType = UNSET
    since: datetime | UnsetType = UNSET
    command: str | UnsetType = UNSET
    first_seen_at: datetime | UnsetType = UNSET
    acknowledged_at: datetime | UnsetType = UNSET
    acknowledged_by: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


class Alerts(Answer, kw_only=True):
    """The open alerts."""

    verdict: str
    checked: str
    needs_you: int
    alerts: list[Alert]
    store: str | UnsetType = UNSET


class Problem(msgspec.Struct, kw_only=True):
    """An error as RFC 9457 has it, with the parameter or setting it is about, and the remedy."""

    type: str
    title: str
    status: int
    detail: str
    name: str | UnsetType = UNSET
    remedy: str | UnsetType = UNSET


SCHEMAS: dict[str, Schema] = json_schemas((Messages, Conversation, Sends, Stats, Runs, Health, Alerts, Problem))


def ref(name: str) -> Schema:
    """Return a reference to one of :data:`SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


_PERSON = "966500000054"
_SENT = datetime(2026, 11, 22, 13, 46, 11, tzinfo=UTC)


def _example() -> MessageDocument:
    sent, delivered = (int(_SENT.timestamp()) + seconds for seconds in (0, 3))
    seen = _SENT + timedelta(seconds=9)
    formatted = "2026-11-22 16:46"
    return MessageDocument(
        message_id="wamid.HBgMOTY2NTAwMDAwMDU0FQIAERgSNEQ2",
        conversation_id=_PERSON,
        latest_status="delivered",
        latest_timestamp=delivered,
        latest_timestamp_formatted=formatted,
        status_history=[
            StatusDocument(
                status=status,
                timestamp=timestamp,
                timestamp_formatted=formatted,
                execution_id=execution_id,
                conversation_id=_PERSON,
            )
            for status, timestamp, execution_id in (("sent", sent, "1041"), ("delivered", delivered, "1042"))
        ],
        workflow_id="bcHn4wXXcVuTsjYB",
        status_count=2,
        first_seen_at=seen,
        last_updated_at=seen,
        last_scanned_at=seen,
        sent_timestamp=sent,
        delivered_timestamp=delivered,
        first_timestamp=sent,
    )


EXAMPLE_MESSAGE: dict[str, Any] = msgspec.to_builtins(as_dict(_example()))
"""An invented message for the OpenAPI document."""


def answers(name: str) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a path, for the OpenAPI document."""
    wrong = {"content": {"application/problem+json": {"schema": ref("Problem")}}}
    return {
        200: {"description": "The result.", "content": {"application/json": {"schema": ref(name)}}},
        "4XX": {"description": "The request cannot be answered.", **wrong},
        "503": {"description": "The store did not answer, or too many requests are waiting.", **wrong},
    }
