"""Shared by every page: the store, sealed addresses, the catalogue of codes, and the visitor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Request

from ticktrail.errors import ConfigurationError
from ticktrail.messages.campaign import campaign_of
from ticktrail.messages.error_codes import Catalogue
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Message
from ticktrail.queries.conversation import Texts
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import UserFile
from ticktrail.text.masking import mask_locations, mask_number, mask_text
from ticktrail.text.sanitizing import one_line
from ticktrail.web.cache import QueryCache
from ticktrail.web.masking import revealing_condition
from ticktrail.web.pages.translation import choose
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.url_filters import (
    SendUrlFilter,
    UrlConditions,
    UrlFilter,
    address_of,
    given_conditions,
    with_dates,
)
from ticktrail.web.security.url_tokens import UrlTokens

LONGEST_CELL = 160
LONGEST_ID = 300
"""No address is made of a longer recipient: it is no person, and the address would be as long."""

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "ticktrail_theme"
LANGUAGE_COOKIE = "ticktrail_language"


class Access(Protocol):
    """Roles of visitors: ``full``, or ``viewer`` (masked numbers, no links into n8n, no search for a person)."""

    @property
    def is_open(self) -> bool:
        """True when no token is needed."""
        ...

    def role_of(self, request: Request) -> str:
        """The role behind a request."""
        ...


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Shared by every page; made once.

    Attributes:
        conversations: where a workflow keeps texts; None for nowhere.
    """

    settings: Settings
    queries: QueryCache
    addresses: UrlTokens
    catalogue: Catalogue
    user_file: UserFile
    region: str | None
    access: Access | None
    conversations: Texts | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which times are shown."""
        return self.settings.timezone

    async def is_empty(self) -> bool:
        """True when the store has no message at all."""
        return await self.queries.ask(lambda store: next(store.messages(MessageFilter(limit=1)), None) is None)

    def visitor(self, request: Request) -> Visitor:
        """The visitor behind a request, and how the page is to be shown."""
        role = "full" if self.access is None else self.access.role_of(request)
        theme = request.cookies.get(THEME_COOKIE, "auto")
        return Visitor(
            site=self,
            asked_at=self.now(),
            is_full=role == "full",
            wall="wall" in request.query_params,
            theme=theme if theme in THEMES else "auto",
            language=choose(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", "")),
            logged_in=self.access is not None and not self.access.is_open,
        )


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """One view of one page.

    Attributes:
        asked_at: when the request came; what is stored later is news to the page.
        is_full: may see numbers and follow links into n8n.
        wall: a screen on a wall: figures and masked rows only, nothing to click.
        theme: one of :data:`THEMES`; ``auto`` follows the system.
        logged_in: came with a token, and can log out.
    """

    site: Site
    asked_at: datetime
    is_full: bool
    wall: bool
    theme: str = "auto"
    language: str = "en"
    logged_in: bool = False

    @property
    def masked(self) -> bool:
        """True when numbers are made unrecognisable."""
        return self.wall or not self.is_full

    def who(self, number: str | None) -> str:
        """A recipient, as this visitor may see them."""
        if not number:
            return _("unknown")
        if self.masked:
            return one_line(mask_number(number), 40)
        plain = one_line(number, 40)
        return grouped(plain)

    def text(self, text: object, longest: int = LONGEST_CELL) -> str:
        """A stored text on one line, cut; for viewers and walls with numbers masked and without hosts and paths."""
        whole = str(text)
        if not self.masked:
            return one_line(whole, longest)
        # Masked before it is cut: a mask does not recognise half a number.
        return one_line(mask_locations(mask_text(one_line(whole, max(longest, len(whole))))), longest)

    def messages(self, choice: UrlFilter) -> str | None:
        """The address of a list; None on a wall, where nothing is clicked."""
        return None if self.wall else address_of(with_dates(choice, self.site.zone), self.site.addresses)

    def sends(self, choice: SendUrlFilter) -> str | None:
        """The address of a list of sends; None on a wall."""
        return None if self.wall else address_of(with_dates(choice, self.site.zone), self.site.addresses)

    def campaign(self, message: Message) -> str | None:
        """Return the campaign of a message."""
        return campaign_of(message.attributes.callback_data, self.site.user_file.campaign_key)

    def person(self, conversation_id: str | None) -> str | None:
        """The address of a conversation."""
        if self.wall or not conversation_id or len(conversation_id) > LONGEST_ID:
            return None
        return f"/conversation/{self.site.addresses.token(conversation_id)}"

    def message(self, message_id: str) -> str | None:
        """The address of a message."""
        return None if self.wall else f"/message/{self.site.addresses.token(message_id)}"

    def execution(self, workflow_id: str, execution_id: str) -> str | None:
        """The address of an execution in n8n; None for viewers and walls."""
        base = self.site.settings.n8n.editor_url
        are_ids = _is_id(workflow_id) and _is_id(execution_id)
        if not (self.is_full and not self.wall and are_ids and base.lower().startswith(("http://", "https://"))):
            return None
        return f"{base}/workflow/{workflow_id}/executions/{execution_id}"


def refuse_search(visitor: Visitor) -> None:
    """Keep those who see numbers masked from finding out whose they are, digit by digit.

    Raises:
        ConfigurationError: this visitor may not look for a person.
    """
    if not visitor.is_full:
        raise ConfigurationError(
            _("Viewers cannot look for a person."),
            remedy=_("Log out, and log in again with TICKTRAIL_DASHBOARD_TOKEN."),
        )


def refuse_guessing(visitor: Visitor, choice: UrlConditions) -> None:
    """Keep viewers from finding out, with filters, which phone number a masked label holds.

    Raises:
        ConfigurationError: masking would change a value of these conditions.
    """
    if not visitor.is_full and revealing_condition(choice.table, given_conditions(choice)) is not None:
        raise ConfigurationError(
            _("Viewers cannot look for a person."),
            remedy=_("Log out, and log in again with TICKTRAIL_DASHBOARD_TOKEN."),
        )


def recipient_of(message: Message) -> str | None:
    """The recipient of a message."""
    return message.attributes.conversation_id or message.attributes.recipient_user_id


@lru_cache(maxsize=4_096)
def grouped(number: str) -> str:
    """A phone number with spaces where people put them; anything else as it is."""
    if not (number.isascii() and number.isdigit() and 8 <= len(number) <= 15):
        return number
    import phonenumbers  # noqa: PLC0415 - loaded when a number is shown

    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return number
    if not phonenumbers.is_possible_number(parsed):
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _is_id(text: str) -> bool:
    return text.isascii() and text.replace("-", "").replace("_", "").isalnum() and len(text) <= 64
