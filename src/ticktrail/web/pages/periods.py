"""The period of a page, out of its address, and the choices of others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request

from ticktrail.queries.periods import USUAL, Period, period_of
from ticktrail.web.pages import wording
from ticktrail.web.pages.context import Site
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import mark

_NAMES = {
    "today": mark("Today"),
    "yesterday": mark("Yesterday"),
    "7d": mark("7 days"),
    "30d": mark("30 days"),
    "90d": mark("90 days"),
    "all": mark("All time"),
}
_LONGEST = 40


def chosen(site: Site, request: Request) -> tuple[str, Period]:
    """The name of the period in an address, and the period.

    Raises:
        ConfigurationError: it is no period.
    """
    query, now = request.query_params, site.now()
    name = query.get("period", USUAL)[:_LONGEST]
    if query.get("from"):
        # Out of the form with two dates.
        name = f"{query['from'][:10]}..{(query.get('to') or query['from'])[:10]}"
    if name == "yesterday":
        return name, period_of(f"{now.astimezone(site.zone) - timedelta(days=1):%Y-%m-%d}", now, site.zone)
    return name, period_of(name, now, site.zone)


def choices(site: Site, name: str, period: Period, address: Callable[[str], str]) -> dict[str, Any]:
    """The control that chooses a period: names with addresses, and the bounds of the custom one."""
    now = site.now()
    last = now.timestamp() if period.until is None else period.until - 1
    since = datetime.fromtimestamp(period.since if period.since is not None else last, site.zone)
    custom = name not in _NAMES
    until = datetime.fromtimestamp(last, site.zone)
    dates = wording.date_of(since, now)
    if custom and since.date() != until.date():
        dates = f"{dates} \N{EN DASH} {wording.date_of(until, now)}"
    return {
        "options": [{"label": _(label), "href": address(key), "current": key == name} for key, label in _NAMES.items()],
        "custom": dates if custom else "",
        "from": f"{since:%Y-%m-%d}",
        "to": f"{until:%Y-%m-%d}",
        "latest": f"{now.astimezone(site.zone):%Y-%m-%d}",
    }
