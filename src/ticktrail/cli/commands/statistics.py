"""The command ``stats``: delivery statistics."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from ticktrail.cli.filter_options import SinceOption, UntilOption, limit_option
from ticktrail.cli.invocation import as_typed
from ticktrail.cli.options import StoreOption, existing_store, read_settings
from ticktrail.messages.filters import Grouping

app = typer.Typer()


class StatisticsFormat(StrEnum):
    """Output format of statistics; ``table`` is ``text``."""

    text = "text"
    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


@app.command()
def stats(
    by: Annotated[
        Grouping | None, typer.Option("--by", metavar="GROUPING", help=f"Group by {', '.join(Grouping)}")
    ] = None,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[
        str | None, limit_option("default 20 groups, 31 days or 48 hours; all in other formats than text")
    ] = None,
    store: StoreOption = None,
    form: Annotated[StatisticsFormat, typer.Option("--format", help="Output format")] = StatisticsFormat.text,
) -> None:
    """Show delivery, read and failure rates.

    Also delays and what was billed; with --by in groups, such as days, errors, templates, campaigns or countries.

    Example: ticktrail stats --by template --since 7d
    """
    from ticktrail.output.documents import to_json
    from ticktrail.output.statistics import write_report, write_rows
    from ticktrail.queries.completeness import statuses_never_passed
    from ticktrail.queries.filter_parsing import parse_message_filter
    from ticktrail.queries.statistics import (
        compute_statistics,
        group_document,
        iterate_groups,
        statistics_document,
        young_from,
    )
    from ticktrail.settings.user_file import read_user_file

    settings = read_settings(store)
    user_file = read_user_file(settings)
    now = datetime.now(UTC)
    chosen = parse_message_filter({"since": since, "until": until, "limit": limit}, settings, now)
    most, chosen = chosen.limit, msgspec.structs.replace(chosen, limit=None)
    with existing_store(settings) as opened:
        if by is not None and form in {StatisticsFormat.csv, StatisticsFormat.jsonl} and most is None:
            # However many groups there are, each as it comes.
            (totals,) = opened.statistics(chosen, young_since=young_from(now))
            never = statuses_never_passed(opened, totals.counts, chosen)
            groups = iterate_groups(opened, chosen, by, user_file=user_file, now=now)
            write_rows((group_document(group, by, never) for group in groups), form.value, sys.stdout)
            return
        shown = sys.maxsize if by is None else most or _usual_limit(by, form)
        report = compute_statistics(opened, settings, chosen, by, user_file=user_file, now=now, limit=shown)
    if form in {StatisticsFormat.text, StatisticsFormat.table}:
        write_report(report, sys.stdout, as_typed)
        return
    document = statistics_document(report)
    if form is StatisticsFormat.json:
        print(to_json(document, indent=2))
    else:
        flat = {name: value for name, value in document["totals"].items() if not isinstance(value, (dict, list))}
        write_rows(document.get("groups", [flat]), form.value, sys.stdout)


def _usual_limit(by: Grouping, form: StatisticsFormat) -> int:
    if form in {StatisticsFormat.text, StatisticsFormat.table}:
        return {Grouping.DAY: 31, Grouping.HOUR: 48}.get(by, 20)
    return sys.maxsize
