"""What the API takes behind the question mark: the options of the command line, by their names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ticktrail.messages.filters import Grouping
from ticktrail.queries.filter_parsing import MessageQuery

MOST = 1_000
"""Messages, groups or runs in one answer."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
Status = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$")]
Token = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[A-Za-z0-9_-]+$")]
Code = Annotated[int, Field(ge=0, le=2**31 - 1)]

_MOMENT = "2h, 3d, yesterday, 2026-11-22, 2026-11-22T14:30, or Unix seconds."


class Period(BaseModel):
    """A period, by the time messages were sent."""

    model_config = ConfigDict(extra="forbid")

    since: Text | None = Field(None, description=f"From then on: {_MOMENT}")
    until: Text | None = Field(None, description="Before then, written as for since.")


class Filters(Period):
    """Which messages. Every condition that is given must hold."""

    wa_id: Text | None = Field(
        None, description="Only this recipient's: the number in any spelling, or its last digits. Not for viewers."
    )
    status: list[Status] = Field([], max_length=20, description="Only those that stand here; may be repeated.")
    unread: bool = Field(default=False, description="Sent or delivered, and not read so far.")
    undelivered: bool = Field(default=False, description="Not delivered: sent only, or failed.")
    not_read: bool = Field(default=False, description="Not read, failed ones included.")
    retryable: bool = Field(default=False, description="Failed for a reason that passes: sending again can help.")
    error: list[Code] = Field([], max_length=50, description="Failed with this code; may be repeated.")
    updated_within: Text | None = Field(None, description="With news in the last 1h, 2d, …")
    workflow: Text | None = Field(None, description="Reported by this workflow.")
    sent_by: Text | None = Field(None, description="Sent by this workflow.")
    number: Text | None = Field(None, description="Sent from this number of yours, or its id.")
    template: Text | None = Field(None, description="Made from this template: its name, or name/language.")
    campaign: Text | None = Field(None, description="With this campaign label.")
    country: Text | None = Field(None, description="To numbers of this country: SA, EG, …")
    instance: Text | None = Field(None, description="Read from the n8n of this name.")

    def asked(self, **more: Any) -> MessageQuery:
        """The same for :func:`ticktrail.queries.filter_parsing.parse_filter`."""
        given = {name: getattr(self, name) for name in Filters.model_fields if name != "wa_id"}
        lists = {name: tuple(given[name]) for name in ("status", "error")}
        return MessageQuery(**{**given, **lists, "who": self.wa_id, **more})


class Listing(Filters):
    """Which messages, in which order, how many."""

    sort: Literal["newest", "oldest", "updated"] = Field("newest", description="Which come first.")
    limit: int = Field(100, ge=1, le=MOST, description="At most so many.")
    after: Token | None = Field(None, description="Go on where a page ended: its next, with the same parameters.")


class Thread(BaseModel):
    """How much of a person's thread."""

    model_config = ConfigDict(extra="forbid")

    sort: Literal["newest", "oldest"] = Field("oldest", description="Which come first.")
    limit: int = Field(100, ge=1, le=MOST, description="At most so many.")
    after: Token | None = Field(None, description="Go on where a page ended: its next, with the same parameters.")


class FiguresOf(Filters):
    """Which messages' figures, and what they are told apart by."""

    by: Grouping | None = Field(None, description="Tell figures apart by this.")
    limit: int = Field(100, ge=1, le=MOST, description="At most so many groups, the worst first; of times the latest.")


class Last(BaseModel):
    """How many."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=500, description="At most so many, the newest.")
