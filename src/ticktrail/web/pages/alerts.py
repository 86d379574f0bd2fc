"""The page of alerts: open, acknowledged, and resolved within the last days; and acknowledging them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request

from ticktrail.alerts.alert import AlertKind
from ticktrail.errors import ConfigurationError
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.stores.alert_state import AlertRecord
from ticktrail.text.formatting import short_duration
from ticktrail.web.pages import alert_rows, frame, wording
from ticktrail.web.pages.alert_rows import Need
from ticktrail.web.pages.context import Visitor
from ticktrail.web.pages.pickers import own_numbers
from ticktrail.web.pages.rendering import View
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import ngettext
from ticktrail.web.pages.url_filters import send_url_filter, url_filter

TABS = ("open", "acknowledged", "resolved")


async def alerts(visitor: Visitor, request: Request) -> View:
    """The page."""
    site = visitor.site
    tab = request.query_params.get("show", "open")
    if tab not in TABS:
        raise ConfigurationError(_("That is no list of alerts."), remedy=_("Good ones: open, acknowledged, resolved."))
    needs = await alert_rows.read_alerts(site)
    resolved = await alert_rows.read_resolved(site)
    opened = [one for one in needs or () if one.known is None]
    acknowledged = [one for one in needs or () if one.known is not None]
    context = {
        "tab": tab,
        "tabs": [
            {"key": "open", "label": _("Open"), "count": len(opened)},
            {"key": "acknowledged", "label": _("Acknowledged"), "count": len(acknowledged)},
            {"key": "resolved", "label": _("Resolved"), "count": len(resolved)},
        ],
        "families": await shown_families(visitor, opened if tab == "open" else acknowledged),
        "resolved": [_over(visitor, one) for one in resolved],
        "calm": await calm(visitor, needs),
    }
    return View(template="alerts.html", title=_("Alerts"), place="/alerts", context=context)


async def calm(visitor: Visitor, needs: Sequence[Need] | None) -> dict[str, str] | None:
    """The statement where no alert is open: what was looked at; None while alerts are open.

    ``level`` is ``good`` only when a sync is recent and messages were sent: an old store proves nothing.
    """
    if any(one.known is None for one in needs or ()):
        return None
    site = visitor.site
    if needs is None:
        return {"level": "none", "title": _("There is no message in this store yet."),
                "text": _("Run ticktrail sync to read what n8n holds, or ticktrail demo to look around.")}  # fmt: skip
    verdict = (await frame.read_frame(visitor)).verdict
    examined = await alert_rows.read_examined(site)
    newest = wording.clock(examined.newest_timestamp, site.zone, site.now())
    sync = wording.capital(verdict.headline) if verdict is not None else ""
    if verdict is None or verdict.checked_at is None or verdict.level == "bad":
        return {"level": "warn", "title": _("No open alerts, but the data is not current."),
                "text": _("{sync}. The latest status is of {newest}.").format(sync=sync, newest=newest)}  # fmt: skip
    if not examined.messages:
        return {"level": "none", "title": _("No open alerts: nothing was sent in the last 24 h."),
                "text": _("{sync}. The latest status is of {newest}.").format(sync=sync, newest=newest)}  # fmt: skip
    looked = ngettext("Looked at {count} message of the last 24 h.", "Looked at {count} messages of the last 24 h.",
                      examined.messages)  # fmt: skip
    return {"level": "good", "title": _("No open alerts."), "text": f"{looked} {sync}."}


async def shown_families(visitor: Visitor, needs: Sequence[Need]) -> list[dict[str, Any]]:
    """Alerts grouped by cause, for the templates."""
    numbers = await own_numbers(visitor) if needs else {}

    def unmasked(text: str) -> str:
        for masked, number in numbers.items():
            text = text.replace(masked, number)
        return text

    plain = [
        msgspec.structs.replace(
            need,
            alert=msgspec.structs.replace(need.alert, title=unmasked(need.alert.title), says=unmasked(need.alert.says)),
        )
        for need in needs
    ]
    return [_family(visitor, family) for family in alert_rows.families(plain)]


def _family(visitor: Visitor, family: Sequence[Need]) -> dict[str, Any]:
    rows = [_alert(visitor, need) for need in family]
    if len(rows) == 1:
        return {"rows": rows, "title": rows[0]["title"], "count": rows[0]["count"], "level": rows[0]["level"],
                "trend": rows[0]["trend"], "trend_kind": rows[0]["trend_kind"], "id": rows[0]["id"]}  # fmt: skip
    title = visitor.text(family[0].alert.title, 300).partition(", ")[0]
    messages = sum(need.weight for need in family)
    trends = {row["trend_kind"]: row["trend"] for row in rows}
    kind = next((one for one in ("more", "same", "fewer") if one in trends), "")
    return {
        "rows": rows,
        "title": title,
        "count": ngettext("{count} message", "{count} messages", messages) if messages else "",
        "level": "bad" if any(row["level"] == "bad" for row in rows) else "warn",
        "trend": trends.get(kind, ""),
        "trend_kind": kind,
        "id": f"family-{rows[0]['id']}",
    }


def _alert(visitor: Visitor, need: Need) -> dict[str, Any]:
    alert, site = need.alert, visitor.site
    kind, said = ("", "")
    if alert.kind is AlertKind.FAILING and alert.messages is not None and alert.before is not None:
        kind, said = wording.trend(alert.messages, alert.before)
    record = need.known
    return {
        "id": f"alert-{alert.key}",
        "key": alert.key,
        "title": visitor.text(alert.title, 300),
        "says": visitor.text(alert.says, 600),
        "remedy": visitor.text(alert.remedy, 600),
        "level": "bad" if alert.urgency == "urgent" else "warn",
        "count": _count(need),
        "trend": said,
        "trend_kind": kind,
        "since": wording.clock(alert.since_timestamp, site.zone, site.now()) if alert.since_timestamp else "",
        "acknowledged_at": _moment(visitor, record),
        "note": visitor.text(record.note, alert_rows.LONGEST_NOTE)
        if record and record.note and visitor.is_full
        else "",
        **_behind(visitor, need),
    }


def _moment(visitor: Visitor, record: AlertRecord | None) -> str:
    if record is None or record.acknowledged_at is None:
        return ""
    return wording.clock(int(record.acknowledged_at.timestamp()), visitor.site.zone, visitor.site.now())


def _count(need: Need) -> str:
    """The number of people, or else of messages, that an alert concerns; messages as many as its list has."""
    alert = need.alert
    if alert.people:
        people = ngettext("{count} person", "{count} people", alert.people)
        return _("at most {people}").format(people=people) if alert.people_at_most and alert.people > 1 else people
    messages = alert.messages if need.listed is None else need.listed
    return ngettext("{count} message", "{count} messages", messages) if messages else ""


def _behind(visitor: Visitor, need: Need) -> dict[str, str | None]:
    """The way to what is behind an alert."""
    listing = need.alert.listing
    if isinstance(listing, MessageFilter) and need.listed is not None:
        said = ngettext("Show {count} message", "Show {count} messages", need.listed)
        return {"href": visitor.messages(url_filter(listing)), "action": said}
    if isinstance(listing, SendFilter) and not visitor.wall:
        return {"href": visitor.sends(send_url_filter(listing)), "action": _("Show the sends")}
    if need.alert.kind in alert_rows.OF_READING and not visitor.wall:
        return {"href": "/health", "action": _("See what is missing")}
    return {"href": None, "action": ""}


def _over(visitor: Visitor, record: AlertRecord) -> dict[str, str]:
    site, now = visitor.site, visitor.site.now()
    ended = record.resolved_at or record.last_seen_at
    return {
        "title": visitor.text(record.title, 300),
        "began": wording.clock(int(record.first_seen_at.timestamp()), site.zone, now),
        "ended": wording.clock(int(ended.timestamp()), site.zone, now),
        "lasted": short_duration((ended - record.first_seen_at).total_seconds()),
    }
