"""The frame of every page: navigation, open alerts, completeness, time zone, language and theme."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ticktrail.errors import TicktrailError
from ticktrail.queries.completeness import Completeness, read_completeness
from ticktrail.web.pages import alert_rows, wording
from ticktrail.web.pages.completeness_summary import CompletenessSummary, summarize
from ticktrail.web.pages.context import Visitor
from ticktrail.web.pages.rendering import View, render
from ticktrail.web.pages.translation import direction
from ticktrail.web.pages.translation import gettext as _

WAIT_SECONDS = 0.5
"""A page does not wait longer for its frame; the live update fills it in."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """State of the store, shown on every page.

    Attributes:
        open_alerts: not acknowledged; None while that is not known.
        completeness: how complete the store is; None while that is being read.
    """

    open_alerts: int | None
    completeness: CompletenessSummary | None


async def read_frame(visitor: Visitor) -> Frame:
    """The frame of a page; parts that take too long, or cannot be read, are left out."""
    summary, alerts = asyncio.ensure_future(_summary(visitor)), asyncio.ensure_future(_open_alerts(visitor))
    done, _late = await asyncio.wait({summary, alerts}, timeout=WAIT_SECONDS)
    return Frame(
        open_alerts=alerts.result() if alerts in done else None,
        completeness=summary.result() if summary in done else None,
    )


async def completeness(visitor: Visitor) -> Completeness:
    """The record of completeness, as the frame and the page about it show it."""
    site = visitor.site
    return await site.queries.recall(
        "completeness", lambda store: read_completeness(store, site.settings, content=True), of_sync_state=True
    )


async def _summary(visitor: Visitor) -> CompletenessSummary:
    site = visitor.site
    try:
        return summarize(await completeness(visitor), site.now(), site.zone, masked=visitor.masked)
    except TicktrailError as error:
        return _outage(() if visitor.masked else (str(error)[:200],))


def _outage(remarks: tuple[str, ...] = ()) -> CompletenessSummary:
    return CompletenessSummary(level="bad", headline=_("the store does not answer"), remarks=remarks)


async def _open_alerts(visitor: Visitor) -> int | None:
    try:
        found = await alert_rows.read_alerts(visitor.site)
    except TicktrailError:
        return None
    return 0 if found is None else len(found.open)


async def answer(visitor: Visitor, request: Request, view: View, state: str | None = None) -> Response:
    """A page in its frame.

    Args:
        state: the store's state before the page's queries; without it, the state now.
    """
    site = visitor.site
    frame = await read_frame(visitor)
    if view.outage:
        frame = Frame(open_alerts=None, completeness=_outage())
    context = {
        "visitor": visitor,
        "view": view,
        "frame": frame,
        "zone": wording.zone_name(site.zone, site.now()),
        "direction": direction(visitor.language),
        "places": _places(frame),
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "state": await state_of(visitor) if state is None else state,
        "made_at": f"{visitor.asked_at.timestamp():.3f}",
        **view.context,
    }
    response = render(request, view.template, context, status=view.status)
    response.headers.update(view.headers)
    return response


async def state_of(visitor: Visitor) -> str:
    """A short text that changes whenever something that pages show is stored; empty while the store is away."""
    queries = visitor.site.queries
    try:
        stored = await queries.state()
        remembered = await queries.ask(lambda store: store.alert_state.all())
    except TicktrailError:
        return ""
    acknowledged = [(one.key, one.acknowledged_at, one.resolved_at) for one in remembered]
    return hashlib.sha256(repr((stored, acknowledged)).encode()).hexdigest()[:16]


def _places(frame: Frame) -> list[dict[str, Any]]:
    return [
        {"path": "/", "label": _("Overview"), "icon": "home"},
        {"path": "/alerts", "label": _("Alerts"), "icon": "bell", "badge": frame.open_alerts},
        {"path": "/messages", "label": _("Messages"), "icon": "message"},
        {"path": "/compare", "label": _("Compare"), "icon": "bars"},
        {"path": "/sends", "label": _("Sends"), "icon": "send"},
        {"path": "/health", "label": _("Data health"), "icon": "pulse"},
    ]
