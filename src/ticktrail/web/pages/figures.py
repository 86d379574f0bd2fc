"""Figures of a period for the templates: key figures with sparklines, the chart, the remarks below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from ticktrail.messages import rates
from ticktrail.messages.counts import DAY_SECONDS, HOUR_SECONDS, Counts, Group
from ticktrail.messages.filters import Grouping
from ticktrail.messages.rates import Share
from ticktrail.queries.periods import Period
from ticktrail.queries.statistics import Statistics, compute_statistics, iterate_groups
from ticktrail.stores import Store
from ticktrail.stores.coverage import Gap
from ticktrail.web.pages import charts, links, wording
from ticktrail.web.pages.context import Site, Visitor
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import mark_plural, ngettext
from ticktrail.web.pages.url_filters import SendUrlFilter, UrlFilter

MOST_COLUMNS = 92


class Kpi(msgspec.Struct, frozen=True, kw_only=True):
    """One key figure: the rate where there is one, with the count behind it, else the count."""

    kind: str
    label: str
    value: str
    note: str = ""
    href: str | None = None
    change: str = ""
    unit: str = ""
    better: bool | None = None
    spark: charts.Spark = charts.NO_SPARK
    hint: str = ""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of a period with its days, and with its hours where it is one day."""

    statistics: Statistics
    hours: tuple[Group, ...] = ()

    @property
    def days(self) -> tuple[Group, ...]:
        """In order, those without messages included."""
        return self.statistics.groups.shown if self.statistics.groups is not None else ()

    @property
    def is_empty(self) -> bool:
        """True when nothing was sent in the period."""
        totals = self.statistics.totals
        return not (totals.accepted or totals.groups or totals.tests)


def read_summary(store: Store, site: Site, period: Period, now: datetime) -> Summary:
    """The figures of a period."""
    found = compute_statistics(
        store, site.settings, period.chosen, Grouping.DAY, user_file=site.user_file, now=now, compare=True
    )
    hours: tuple[Group, ...] = ()
    if found.groups is not None and len(found.groups.shown) == 1 and period.since is not None:
        groups = iterate_groups(store, period.chosen, Grouping.HOUR, user_file=site.user_file, now=now)
        hours = tuple(group for group in groups if group.key is not None)
    return Summary(statistics=found, hours=hours)


def kpis(visitor: Visitor, summary: Summary, period: Period) -> list[Kpi]:
    """The key figures of a period."""
    found, counts = summary.statistics, summary.statistics.totals
    steps = [group.counts for group in (summary.hours or summary.days)]
    sent, *others = status_kpis(
        visitor, counts, steps, found.never, lambda kind: visitor.messages(links.of_kind(kind, period))
    )
    accepted = _("of {accepted} accepted").format(accepted=wording.number(counts.accepted))
    overdue = found.as_of - HOUR_SECONDS
    until = overdue if period.until is None else min(period.until, overdue)
    never = SendUrlFilter(unconfirmed=True, since=links.span(period)["since"], until=str(until))
    shown = steps[-MOST_COLUMNS:]
    unconfirmed = [float(step.unconfirmed) for step in shown] if counts.unconfirmed else []
    return [
        *with_changes(
            [msgspec.structs.replace(sent, note=accepted if found.sends_known else sent.note), *others],
            found.compared, found.never,
        ),
        Kpi(kind="never", label=_("Never confirmed"),
            value=wording.number(counts.unconfirmed) if found.sends_known else rates.UNKNOWN,
            href=visitor.sends(never) if counts.unconfirmed else None,
            note=_("no status in 1 h") if found.sends_known else _("no sending workflow was synced"),
            spark=charts.spark(unconfirmed, young=provisional_steps(shown), mirrored=visitor.language == "ar")),
    ]  # fmt: skip


def with_changes(kpis: Sequence[Kpi], compared: tuple[Counts, Counts] | None, never: frozenset[str]) -> list[Kpi]:
    """Key figures with their changes: sent messages in percent, rates in percentage points.

    Pending messages have none, because the older they are, the fewer are left.
    """
    if compared is None:
        return list(kpis)
    later, before = compared
    rises: dict[str, float | None] = {}
    if min(later.sent, before.sent) >= rates.FEWEST:
        rises["sent"] = later.sent / before.sent - 1
    now, then = (rates.compute_rates(counts, never) for counts in compared)
    for kind, one, other in (
        ("delivered", now.delivered, then.delivered), ("read", now.read, then.read), ("failed", now.failed, then.failed)
    ):  # fmt: skip
        rises[kind] = None if one.rate is None or other.rate is None else one.rate - other.rate
    return [_with_change(kpi, rises.get(kpi.kind)) for kpi in kpis]


def _with_change(kpi: Kpi, rise: float | None) -> Kpi:
    if rise is None:
        return kpi
    counted, is_flat = kpi.kind == "sent", round(rise, 3) == 0
    return msgspec.structs.replace(
        kpi,
        change=wording.points(rise),
        unit="%" if counted else _("pts"),
        better=None if counted or is_flat else (rise > 0) != (kpi.kind == "failed"),
    )


def status_kpis(
    visitor: Visitor, counts: Counts, steps: Sequence[Counts], never: frozenset[str], to: Callable[[str], str | None]
) -> list[Kpi]:
    """Sent, delivered, read, pending and failed messages: the rate first, with the course over days or hours.

    Args:
        to: the address of the list of a kind.
    """
    mirrored = visitor.language == "ar"
    made = rates.compute_rates(counts, never)
    shown = steps[-MOST_COLUMNS:]
    young = provisional_steps(shown)

    def share(kind: str, label: str, part: Share, whole: str) -> Kpi:
        value = wording.percent(part, at_least=kind == "read")
        count = wording.number(part.part)
        return Kpi(
            kind=kind, label=label, href=to(kind), hint=part.missing or "",
            value=value if value and part.missing is None else count,
            note=whole.format(part=count, whole=wording.number(part.whole)),
            spark=charts.spark([_rate(kind, one) for one in shown], young=young, mirrored=mirrored),
        )  # fmt: skip

    return [
        Kpi(kind="sent", label=_("Sent"), value=wording.number(counts.sent), href=to("sent"), note=_("with a status"),
            spark=charts.spark([float(one.sent) for one in shown], young=young, mirrored=mirrored)),
        share("delivered", _("Delivered"), made.delivered, _("{part} of {whole} sent")),
        share("read", _("Read, at least"), made.read, _("{part} of {whole} delivered")),
        share("pending", _("Pending"), Share(counts.pending, counts.sent), _("{part} with one tick")),
        share("failed", _("Failed"), made.failed, _("{part} of {whole} sent")),
    ]  # fmt: skip


def provisional_steps(steps: Sequence[Counts]) -> int:
    """Return the number of steps from the first provisional one on: a day without messages so far may be the last."""
    return next((len(steps) - place for place, one in enumerate(steps) if one.provisional), 0)


def _rate(kind: str, counts: Counts) -> float | None:
    part, whole = {
        "delivered": (counts.delivered, counts.sent),
        "read": (counts.read, counts.delivered),
        "pending": (counts.pending, counts.sent),
        "failed": (counts.failed, counts.sent),
    }[kind]
    return part / whole if whole >= 5 else None


def chart(
    visitor: Visitor, groups: Sequence[Group], by: Grouping, gaps: Sequence[Gap] = (), within: UrlFilter | None = None
) -> charts.Stack:
    """Days or hours as stacked bars; each leads to the list of its messages."""
    shown = groups[-MOST_COLUMNS:] if by is Grouping.DAY else groups
    columns = [_column(visitor, group, by, gaps, within) for group in shown]
    return charts.stack(columns, mirrored=visitor.language == "ar")


def _column(
    visitor: Visitor, group: Group, by: Grouping, gaps: Sequence[Gap], within: UrlFilter | None
) -> charts.Column:
    site, counts, key = visitor.site, group.counts, str(group.key)
    since, until = links.bounds(by, key, site.zone)
    choice = msgspec.structs.replace(
        within or UrlFilter(people=True), status=KINDS_SENT, since=str(since), until=str(until)
    )
    full = key[11:16] if by is Grouping.HOUR else wording.day(key, site.now(), site.zone)
    label = full if by is Grouping.HOUR else wording.day(key, site.now(), site.zone, weekday=False)
    rate = rates.compute_rates(counts).delivered
    text = _("{label}: {sent} sent, {delivered} delivered, {read} read, {pending} pending, {failed} failed").format(
        label=full, sent=wording.number(counts.sent), delivered=wording.number(counts.delivered),
        read=wording.number(counts.read), pending=wording.number(counts.pending),
        failed=wording.number(counts.failed),
    )  # fmt: skip
    provisional, gap = bool(counts.provisional), any(_touches(one, since, until) for one in gaps)
    text += "".join([_(" (provisional)") if provisional else "", _(" (data missing)") if gap else ""])
    return charts.Column(
        label=label, counts=(counts.read, counts.delivered - counts.read, counts.pending, counts.failed),
        rate=rate.rate, href=visitor.messages(choice) if counts.sent else None, provisional=provisional, gap=gap,
        text=text,
    )  # fmt: skip


KINDS_SENT = links.KINDS["sent"]


def _touches(gap: Gap, since: int, until: int) -> bool:
    try:
        begin = datetime.fromisoformat(gap.from_started_at or "").timestamp()
        end = datetime.fromisoformat(gap.to_started_at or "").timestamp()
    except ValueError:
        return False
    return begin < until and end >= since


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A figure in a table."""

    text: str
    href: str | None
    rate: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a table of figures: sent, delivered, read, pending and failed."""

    name: str
    cells: dict[str, Cell]
    provisional: bool = False


def line_of(
    visitor: Visitor, name: str, counts: Counts, choice: UrlFilter | None, never: frozenset[str] = frozenset()
) -> Line:
    """Counts as a row, each figure with the list it counts."""
    made = rates.compute_rates(counts, never)

    def cell(kind: str, count: int, rate: str = "") -> Cell:
        narrowed = None if choice is None or not count else msgspec.structs.replace(choice, status=links.KINDS[kind])
        return Cell(
            text=wording.number(count), href=None if narrowed is None else visitor.messages(narrowed), rate=rate
        )

    return Line(
        name=name,
        provisional=bool(counts.provisional),
        cells={
            "sent": cell("sent", counts.sent),
            "delivered": cell("delivered", counts.delivered, made.delivered.percent),
            "read": cell("read", counts.read, wording.percent(made.read, at_least=True)),
            "pending": cell("pending", counts.pending),
            "failed": cell("failed", counts.failed, made.failed.percent),
        },
    )


def table(visitor: Visitor, groups: Sequence[Group], by: Grouping, never: frozenset[str]) -> list[Line]:
    """Days or hours as rows, the latest first."""
    site = visitor.site
    found = []
    for group in reversed(groups[-MOST_COLUMNS:]):
        key = str(group.key)
        since, until = links.bounds(by, key, site.zone)
        name = key[11:16] if by is Grouping.HOUR else wording.day(key, site.now(), site.zone)
        choice = UrlFilter(people=True, since=str(since), until=str(until))
        if group.counts.messages:
            found.append(line_of(visitor, name, group.counts, choice, never))
    return found


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence below the figures, with the list it speaks of where there is one."""

    text: str
    href: str | None = None


def remarks(visitor: Visitor, summary: Summary, period: Period) -> list[Remark]:
    """Times to deliver, provisional figures, and what is left out."""
    counts = summary.statistics.totals
    made = rates.compute_rates(counts, summary.statistics.never)
    found = []
    if made.percentiles:
        half, nine = (wording.duration(made.percentiles[percent]) for percent in (50, 90))
        text = _("Time to deliver: median {half}, 90 % within {nine}; {rest} not delivered so far.")
        found.append(Remark(text=text.format(half=half, nine=nine, rest=wording.number(made.not_delivered))))
    if counts.provisional:
        since = str(max(period.since or 0, summary.statistics.as_of - DAY_SECONDS))
        choice = UrlFilter(since=since, until=links.span(period)["until"], people=True)
        text = ngettext("{count} message is younger than 24 h: provisional.",
                        "{count} messages are younger than 24 h: provisional.", counts.provisional)  # fmt: skip
        found.append(Remark(text=text, href=visitor.messages(choice)))
    if counts.conflicts:
        text = ngettext(
            "{count} was delivered although WhatsApp also reported an error.",
            "{count} were delivered although WhatsApp also reported an error.",
            counts.conflicts,
        )
        found.append(Remark(text=text))
    groups = summary.statistics.groups
    left_out = (
        (groups.nameless.messages if groups else 0,
         mark_plural("{count} message has no plausible time, and so no day.",
                     "{count} messages have no plausible time, and so no day.")),
        (counts.other, mark_plural("{count} message with another status is not counted.",
                                   "{count} messages with another status are not counted.")),
        (counts.groups, mark_plural("{count} message to a group is not counted.",
                                    "{count} messages to groups are not counted.")),
        (counts.tests, mark_plural("{count} test message is not counted.",
                                   "{count} test messages are not counted.")),
    )  # fmt: skip
    found += [Remark(text=ngettext(*forms, count)) for count, forms in left_out if count]
    return found
