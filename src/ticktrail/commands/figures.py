"""The command that says how messages fare: ``stats``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.commands.options import (
    SinceOption,
    StoreOption,
    UntilOption,
    existing_ledger,
    moment,
    read_settings,
)
from ticktrail.query import Grouping

if TYPE_CHECKING:
    from ticktrail.counts import Counts
    from ticktrail.query import MessageFilter
    from ticktrail.stores import Store

app = typer.Typer()


class FiguresFormat(StrEnum):
    """How figures are printed; ``table`` is ``text``."""

    text = "text"
    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


@app.command()
def stats(
    by: Annotated[Grouping | None, typer.Option("--by", help="Tell figures apart by this.")] = None,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=1, help="At most so many groups; 20 in text (31 days, 48 hours), all otherwise."
        ),
    ] = None,
    store: StoreOption = None,
    form: Annotated[FiguresFormat, typer.Option("--format", help="How to print the figures.")] = FiguresFormat.text,
) -> None:
    """How messages fare: delivered, read, failed, how fast, what is billed; by day, error, country and more."""
    from ticktrail.counts import DAY_SECONDS
    from ticktrail.grouping import WITH_DETAILS, chosen, folded
    from ticktrail.naming import read_naming
    from ticktrail.query import MessageFilter
    from ticktrail.render import to_json
    from ticktrail.render_stats import Report, group_document, report_document, write_report, write_rows

    settings = read_settings(store)
    naming = read_naming(settings.config_file)
    wanted = MessageFilter(since_timestamp=moment(since, settings), until_timestamp=moment(until, settings))
    young_since = int(datetime.now(UTC).timestamp()) - DAY_SECONDS
    with existing_ledger(settings) as ledger:
        (totals,) = ledger.figures(wanted, young_since=young_since, details=True)
        never = never_passed_in(ledger, totals.counts, wanted)
        groups = None
        if by is not None:
            counted = ledger.figures(wanted, by, young_since=young_since, details=by in WITH_DETAILS)
            named = folded(counted, by, zone=settings.timezone, campaign_key=naming.campaign_key, names=naming.numbers)
            if form in {FiguresFormat.csv, FiguresFormat.jsonl} and limit is None:
                write_rows((group_document(group, by, never) for group in named), form.value, sys.stdout)
                return
            groups = chosen(named, by, limit or _usual_limit(by, form))
        report = Report(
            location=ledger.location,
            zone=settings.timezone,
            totals=totals.counts,
            since_timestamp=wanted.since_timestamp,
            until_timestamp=wanted.until_timestamp,
            never=never,
            by=by,
            groups=groups,
        )
    if form in {FiguresFormat.text, FiguresFormat.table}:
        write_report(report, sys.stdout)
        return
    document = report_document(report)
    if form is FiguresFormat.json:
        print(to_json(document, indent=2))
    else:
        flat = {name: value for name, value in document["totals"].items() if not isinstance(value, (dict, list))}
        write_rows(document.get("groups", [flat]), form.value, sys.stdout)


def _usual_limit(by: Grouping, form: FiguresFormat) -> int:
    if form in {FiguresFormat.text, FiguresFormat.table}:
        return {Grouping.DAY: 31, Grouping.HOUR: 48}.get(by, 20)
    return sys.maxsize


def never_passed_in(ledger: Store, counts: Counts, asked: MessageFilter) -> frozenset[str]:
    """What the trigger never passes: what did not come in this time, nor ever."""
    from ticktrail.query import READ, MessageFilter
    from ticktrail.stats import never_passed

    absent = never_passed(counts)
    if absent and asked != MessageFilter():
        latest = {"sent": ("sent",), "delivered": ("delivered",), "read": READ, "failed": ("failed", "undelivered")}
        seen = {name for name in absent if next(ledger.messages(MessageFilter(statuses=latest[name], limit=1)), None)}
        return never_passed(counts, seen)
    return absent
