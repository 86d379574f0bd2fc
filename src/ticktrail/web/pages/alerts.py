"""The page of alerts: open, acknowledged, and resolved within the last days; and acknowledging them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ticktrail.alerts.alert import AlertKind
from ticktrail.errors import ConfigurationError, NotFoundError
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.queries.lists import latest_status_at
from ticktrail.stores.alert_state import AlertRecord
from ticktrail.web.pages import alert_rows, frame, preferences, wording
from ticktrail.web.pages.alert_rows import AlertList, AlertRow
from ticktrail.web.pages.command_texts import from_english, listed
from ticktrail.web.pages.context import Visitor
from ticktrail.web.pages.forms import fields_of
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
    found = await alert_rows.read_alerts(site)
    resolved = await alert_rows.read_resolved(site)
    opened, acknowledged = ([], []) if found is None else (found.open, found.acknowledged)
    context = {
        "tab": tab,
        "tabs": [
            {"key": "open", "label": _("Open"), "count": len(opened)},
            {"key": "acknowledged", "label": _("Acknowledged"), "count": len(acknowledged)},
            {"key": "resolved", "label": _("Resolved"), "count": len(resolved)},
        ],
        "causes": await shown_causes(visitor, opened if tab == "open" else acknowledged),
        "resolved": [_resolved(visitor, one) for one in resolved],
        "calm": await calm(visitor, found),
    }
    return View(template="alerts.html", title=_("Alerts"), place="/alerts", context=context)


async def acknowledge_form(visitor: Visitor, request: Request) -> View:
    """The form that acknowledges an alert: a dialog, or a page for browsers without scripts."""
    refuse_viewers(visitor)
    key = visitor.site.addresses.text(request.path_params["token"])
    found = await alert_rows.read_alerts(visitor.site)
    row = next((row for row in (found.open if found else ()) if row.alert.key == key), None)
    if row is None:
        raise NotFoundError(_("This alert is no longer open."), remedy=_("Look under Acknowledged and Resolved."))
    (shown,) = await shown_causes(visitor, [row])
    context = {
        "alert": shown["rows"][0],
        "back": "/" if request.query_params.get("back") == "/" else "/alerts",
        "name": preferences.kept_name(request)[: alert_rows.LONGEST_NAME],
        "longest_name": alert_rows.LONGEST_NAME,
        "longest_note": alert_rows.LONGEST_NOTE,
        "panel": "panel" in request.query_params,
    }
    return View(template="acknowledge.html", title=_("Acknowledge an alert"), place="/alerts", context=context)


async def acknowledge(visitor: Visitor, request: Request) -> Response:
    """Acknowledge an alert, with a name and a note; the name is kept for the next time."""
    refuse_viewers(visitor)
    form, site = await fields_of(request), visitor.site
    key, by, note = form.get("key", "")[:200], form.get("name", ""), form.get("note", "")
    now = site.now()
    await site.queries.ask(
        lambda store: alert_rows.acknowledge_alert(store, site.settings, key, by=by, note=note, now=now)
    )
    answer = RedirectResponse("/" if form.get("back") == "/" else "/alerts", 303)
    preferences.keep_name(answer, by.strip()[: alert_rows.LONGEST_NAME])
    return answer


async def take_back(visitor: Visitor, request: Request) -> Response:
    """Open an acknowledged alert again."""
    refuse_viewers(visitor)
    key = (await fields_of(request)).get("key", "")[:200]
    await visitor.site.queries.ask(lambda store: store.alert_state.unacknowledge(key))
    return RedirectResponse("/alerts?show=acknowledged", 303)


def refuse_viewers(visitor: Visitor) -> None:
    """Let only those acknowledge who may see everything.

    Raises:
        ConfigurationError: the visitor is a viewer.
    """
    if not visitor.is_full:
        raise ConfigurationError(
            _("Viewers cannot acknowledge alerts."),
            remedy=_("Log out, and log in again with TICKTRAIL_DASHBOARD_TOKEN."),
        )


async def calm(visitor: Visitor, found: AlertList | None) -> dict[str, str] | None:
    """The statement that no alert is open, with what was checked; None while alerts are open.

    ``level`` is ``good`` only when a sync is recent and messages were sent: an old store proves nothing.
    """
    if found is None:
        return {"level": "none", "title": _("There is no message in this store yet."),
                "text": _("Run ticktrail sync to read what n8n holds, or ticktrail demo to look around.")}  # fmt: skip
    if found.open:
        return None
    data = (await frame.read_frame(visitor)).completeness
    current = data is not None and data.checked_at is not None and data.level != "bad"
    checked = from_english(found.checked)
    if not current or not found.messages:
        site = visitor.site
        now = site.now()
        newest = wording.clock(await site.queries.ask(lambda store: latest_status_at(store, now)), site.zone, now)
        return {
            "level": "none" if current else "warn",
            "title": _("No open alerts, but nothing was sent.") if current
            else _("No open alerts, but the data is not current."),
            "text": f"{checked} {_('The latest status is of {newest}.').format(newest=newest)}",
        }  # fmt: skip
    return {"level": "good", "title": _("No open alerts."), "text": checked}


async def shown_causes(visitor: Visitor, rows: Sequence[AlertRow]) -> list[dict[str, Any]]:
    """Alerts grouped by cause, for the templates."""
    numbers = await own_numbers(visitor) if rows else {}

    def unmasked(text: str) -> str:
        for masked, number in numbers.items():
            text = text.replace(masked, number)
        return text

    plain = [
        msgspec.structs.replace(
            row,
            alert=msgspec.structs.replace(row.alert, title=unmasked(row.alert.title), says=unmasked(row.alert.says)),
        )
        for row in rows
    ]
    return [_cause(visitor, cause) for cause in alert_rows.by_cause(plain)]


def _cause(visitor: Visitor, cause: Sequence[AlertRow]) -> dict[str, Any]:
    rows = [_alert(visitor, row) for row in cause]
    if len(rows) == 1:
        return {"rows": rows, **rows[0]}
    messages = sum(row.messages for row in cause)
    trends = {row["trend_kind"]: row["trend"] for row in rows}
    kind = next((one for one in ("more", "same", "fewer") if one in trends), "")
    return {
        "rows": rows,
        "title": rows[0]["title"],
        "about": "",
        "count": ngettext("{count} message", "{count} messages", messages) if messages else "",
        "level": "bad" if any(row["level"] == "bad" for row in rows) else "warn",
        "trend": trends.get(kind, ""),
        "trend_kind": kind,
        "id": f"cause-{rows[0]['id']}",
    }


def _alert(visitor: Visitor, row: AlertRow) -> dict[str, Any]:
    alert, site = row.alert, visitor.site
    kind, trend = ("", "")
    if alert.kind is AlertKind.FAILING and alert.messages is not None and alert.before is not None:
        kind, trend = wording.trend(alert.messages, alert.before)
    title, about = _title(visitor, alert.title)
    return {
        "id": f"alert-{alert.key}",
        "key": alert.key,
        "form": f"/alerts/acknowledge/{site.addresses.token(alert.key)}",
        "title": title,
        "about": about,
        "says": from_english(visitor.text(alert.says, 600)),
        "remedy": from_english(visitor.text(alert.remedy, 600)),
        "level": "bad" if alert.urgency == "urgent" else "warn",
        "count": _count(row),
        "trend": trend,
        "trend_kind": kind,
        **_acknowledgement(visitor, row.acknowledged),
        **_listing(visitor, row),
    }


def _title(visitor: Visitor, title: str) -> tuple[str, str]:
    """The cause in a title, and the template, workflow or number that it is about."""
    cause, _comma, about = visitor.text(title, 300).partition(", ")
    return from_english(cause), listed(map(from_english, about.split(", ")))


def _acknowledgement(visitor: Visitor, record: AlertRecord | None) -> dict[str, str]:
    if record is None or record.acknowledged_at is None:
        return {"acknowledged": "", "note": ""}
    when = wording.clock(int(record.acknowledged_at.timestamp()), visitor.site.zone, visitor.site.now())
    by = visitor.text(record.acknowledged_by, alert_rows.LONGEST_NAME) if record.acknowledged_by else ""
    text = _("Acknowledged by {name}, {when}").format(name=by, when=when) if by and visitor.is_full else ""
    return {
        "acknowledged": text or _("Acknowledged {when}").format(when=when),
        "note": visitor.text(record.note, alert_rows.LONGEST_NOTE) if record.note and visitor.is_full else "",
    }


def _count(row: AlertRow) -> str:
    """The number of people, or else of messages, that an alert concerns; messages as many as its list has."""
    alert = row.alert
    if alert.people:
        people = ngettext("{count} person", "{count} people", alert.people)
        return _("at most {people}").format(people=people) if alert.people_at_most and alert.people > 1 else people
    messages = alert.messages if row.listed is None else row.listed
    return ngettext("{count} message", "{count} messages", messages) if messages else ""


def _listing(visitor: Visitor, row: AlertRow) -> dict[str, str | None]:
    """The address of the messages or sends behind an alert, and the label of its link."""
    listing = row.alert.listing
    if isinstance(listing, MessageFilter) and row.listed is not None:
        label = ngettext("Show {count} message", "Show {count} messages", row.listed)
        return {"href": visitor.messages(url_filter(listing)), "action": label}
    if isinstance(listing, SendFilter) and not visitor.wall:
        return {"href": visitor.sends(send_url_filter(listing)), "action": _("Show the sends")}
    if row.alert.kind in alert_rows.ABOUT_READING and not visitor.wall:
        return {"href": "/health", "action": _("See what is missing")}
    return {"href": None, "action": ""}


def _resolved(visitor: Visitor, record: AlertRecord) -> dict[str, str]:
    site, now = visitor.site, visitor.site.now()
    ended = record.resolved_at or record.last_seen_at
    title, about = _title(visitor, record.title)
    return {
        "title": title,
        "about": about,
        "began": wording.clock(int(record.first_seen_at.timestamp()), site.zone, now),
        "ended": wording.clock(int(ended.timestamp()), site.zone, now),
        "lasted": wording.duration((ended - record.first_seen_at).total_seconds()),
        **_acknowledgement(visitor, record),
    }
