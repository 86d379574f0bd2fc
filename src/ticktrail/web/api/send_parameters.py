"""What the API takes behind the question mark when it is asked for sends: the options of ``ticktrail sends``."""

from __future__ import annotations

from pydantic import Field

from ticktrail.queries.asked_sends import SendQuery
from ticktrail.web.api.parameters import MOST, Code, Period, Text, Token


class SendListing(Period):
    """Which sends, how many. Every condition that is given must hold."""

    refused: bool = Field(default=False, description="Only those Meta refused, with its reason.")
    unconfirmed: bool = Field(default=False, description="Only those Meta accepted and no status ever confirmed.")
    error: list[Code] = Field([], max_length=50, description="Refused with this code; may be repeated.")
    workflow: Text | None = Field(None, description="Sent by this workflow.")
    template: Text | None = Field(None, description="Made from this template: its name, or name/language.")
    limit: int = Field(100, ge=1, le=MOST, description="At most so many.")
    after: Token | None = Field(None, description="Go on where a page ended: its next, with the same parameters.")

    def asked(self, after: str | None) -> SendQuery:
        """The same for :func:`ticktrail.queries.asked_sends.send_filter_of`; the limit is the page's business."""
        given = {name: getattr(self, name) for name in SendQuery.__struct_fields__ if name != "limit"}
        return SendQuery(**{**given, "error": tuple(self.error), "after": after})
