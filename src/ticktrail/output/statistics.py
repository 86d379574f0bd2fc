"""Write statistics: text for people, JSON Lines and CSV for programs."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, tzinfo
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ticktrail.messages import rates as stats
from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.filters import Grouping
from ticktrail.messages.grouping import TIMES, WITH_DETAILS, Chosen
from ticktrail.messages.rates import Rates, Share
from ticktrail.output.charts import bar, parts, sparkline, thinned
from ticktrail.output.documents import can_show, to_json
from ticktrail.output.messages import harmless
from ticktrail.output.terminal import console, print_indented
from ticktrail.queries import hints as teaching
from ticktrail.queries.statistics import Statistics
from ticktrail.text.formatting import date_time, plural, short_duration
from ticktrail.text.sanitizing import one_line

_LABEL_WIDTH = 16
_CROSS = "\N{MULTIPLICATION SIGN}"
_WIDE = 100
_WITH_BAR = 70
_NARROWEST_NAME = 12
_USUAL_NAME = 24
_SPACE = 2
_NAMELESS = {
    Grouping.DAY: "no time",
    Grouping.HOUR: "no time",
    Grouping.USER: "unknown recipient",
    Grouping.ERROR: "no code given",
    Grouping.CATEGORY: "no pricing",
    Grouping.TEMPLATE: "template not known",
    Grouping.CAMPAIGN: "no campaign label",
    Grouping.NUMBER: "number not known",
    Grouping.COUNTRY: "country not known",
    Grouping.WORKFLOW: "workflow not known",
    Grouping.SENDER: "sender not known",
}
_HEADINGS = {
    Grouping.NUMBER: "sent from",
    Grouping.SENDER: "sent by workflow",
    Grouping.WORKFLOW: "received by workflow",
}


def write_report(report: Statistics, stream: TextIO, as_typed: Callable[[str], str] = str) -> None:
    """Write statistics for people: the table of groups first, then the totals with their parts, then notes.

    Args:
        as_typed: makes a command into what the user can type.
    """
    writer = _Writer(stream)
    writer.heading(report)
    if report.by is not None and report.groups is not None:
        writer.line()
        if not report.groups.named:
            writer.lines(map(as_typed, teaching.empty_grouping(report.by, messages=report.totals.accepted)))
        else:
            writer.groups(report, report.by, report.groups)
        writer.line()
    writer.totals(stats.compute_rates(report.totals, report.never), report.by, sends_known=report.sends_known)
    writer.lines(teaching.never_passed(report.never))
    writer.lines(report.missing)


def write_rows(documents: Iterable[dict[str, Any]], form: str, stream: TextIO) -> None:
    """Write documents of groups, or of the totals, as CSV or JSON Lines, one by one."""
    if form == "jsonl":
        ascii_only = not can_show(stream, "✓é漢")
        stream.writelines(to_json(document, ascii_only=ascii_only) + "\n" for document in documents)
        return
    writer: csv.DictWriter[str] | None = None
    for document in documents:
        if writer is None:
            writer = csv.DictWriter(stream, list(document), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: harmless(value) for name, value in document.items()})


class _Writer:
    """Writes lines and tables to one stream, in characters that it can show."""

    def __init__(self, stream: TextIO) -> None:
        self._out: Console = console(stream)
        self._blocks = can_show(stream, f"█▏▁▓░{_CROSS}")
        self._plain = not can_show(stream, "—≥·…“”")

    def line(self, text: str = "", style: str | None = None) -> None:
        self._out.print(Text(self._shown(text), style=style or ""), soft_wrap=False)

    def lines(self, texts: Iterable[str]) -> None:
        """Write paragraphs; one that begins with a space is not wrapped, so that it can be copied."""
        for text in texts:
            self._out.print(Text(self._shown(text)), soft_wrap=text.startswith(" "), width=min(self._out.width, _WIDE))

    def _shown(self, text: str) -> str:
        if not self._plain:
            return text
        for character, plain in {"—": "-", "≥": ">=", "·": "|", "…": "...", "“": '"', "”": '"'}.items():
            text = text.replace(character, plain)
        return text

    def fact(self, label: str, text: str) -> None:
        """Write a labelled line; a long text is wrapped below its beginning."""
        table = Table.grid(padding=0)
        table.add_column(width=_LABEL_WIDTH, no_wrap=True)
        table.add_column()
        table.add_row(Text(label, style="bold"), Text(self._shown(text)))
        self._out.print(table)

    def heading(self, report: Statistics) -> None:
        since, until = (_moment(moment, report.zone) for moment in (report.since_timestamp, report.until_timestamp))
        period = "All messages"
        if since or until:
            period = "Messages sent" + (f" from {since}" if since else "") + (f" until {until}" if until else "")
        self.line(f"{period} · {report.zone} · {report.location}", "dim")

    def totals(self, made: Rates, by: Grouping | None, *, sends_known: bool | None) -> None:
        counts = made.counts
        rest = f"; {counts.pending:,} pending, {counts.failed:,} failed"
        self.composition(counts)
        if sends_known is not None:
            self.fact("accepted", stats.accepted_text(counts, sends_known=sends_known))
        self.fact("delivered", _sentence(made.delivered, "sent", rest))
        self.fact("read", _sentence(made.read, "delivered", "", at_least=True))
        self.fact("failed", _sentence(made.failed, "sent", ""))
        self.fact("time to deliver", _time_to_deliver(made))
        self.fact("read within", _read_within(made))
        if counts.prices:
            self.fact("billable", _billing(counts))
        categories = sum(category is not None for category in stats.billing(counts.prices))
        if categories > 1 and by is not Grouping.CATEGORY:
            self.fact("mixed", f"{categories} pricing categories together: use --by category")
        if counts.conflicts:
            self.fact("in conflict", f"{counts.conflicts:,} delivered although WhatsApp also reported an error")
        if counts.other:
            self.fact(
                "other", f"{plural(counts.other, 'message')} with no delivery status so far (deleted, warning, …)"
            )
        if counts.provisional:
            self.fact("provisional", f"{plural(counts.provisional, 'message')} younger than 24 hours: rates may change")
        left_out = [
            f"{count:,} {what}"
            for count, what in ((counts.groups, "to groups"), (counts.tests, "of Meta's test messages"))
            if count
        ]
        if left_out:
            self.fact("not counted", " and ".join(left_out))

    def composition(self, counts: Counts) -> None:
        """Write one bar for all messages sent, with its parts."""
        if not counts.sent:
            return
        width = min(self._out.width, _WIDE) - 1
        drawn = (
            (counts.read, "█", "#", "bright_blue", "read"),
            (counts.delivered - counts.read, "▓", "=", "default", "delivered"),
            (counts.pending, "░", ".", "dim", "pending"),
            (counts.failed, _CROSS, "x", "bold red", "failed"),
        )
        shown, legend = Text(), Text()
        lengths = parts([part[0] for part in drawn], width)
        for length, (count, block, plain, style, name) in zip(lengths, drawn, strict=True):
            character = block if self._blocks else plain
            shown.append(character * length, style)
            if count:
                legend.append("   " if legend else "").append(f"{character} ", style).append(f"{count:,} {name}")
        self._out.print(shown)
        self._out.print(legend)

    def groups(self, report: Statistics, by: Grouping, found: Chosen) -> None:
        twice = {hour for hour, times in Counter(str(group.key)[:16] for group in found.shown).items() if times > 1}
        made = [
            (self._name(group, by, twice), stats.compute_rates(group.counts, report.never)) for group in found.shown
        ]
        if by in TIMES and len(found.shown) > 2:
            self.lines_of_time(found.shown)
        nameless = found.nameless
        if nameless.accepted:
            made.append((Text(_NAMELESS[by], style="dim"), stats.compute_rates(nameless, report.never)))
        if by is Grouping.ERROR:
            self.failures([*found.shown, Group(key=None, counts=nameless)])
        else:
            self.table(by, made, "accepted" if report.sends_known else "messages")
        if by is not Grouping.ERROR and any(figures.counts.provisional for _, figures in made):
            self.line("* provisional: some of these messages are younger than 24 hours", "dim")
        if by is not Grouping.ERROR and report.sends_known:
            self.unlisted_parts([rates.counts for _, rates in made])
        if found.named > len(found.shown):
            order = "the latest" if by in TIMES else "those with most failures first"
            self.line(f"{len(found.shown):,} of {found.named:,} shown, {order}; --limit shows more", "dim")

    def unlisted_parts(self, groups: Sequence[Counts]) -> None:
        """Write which accepted messages are in no column of parts, so that a row adds up."""
        awaiting, other = sum(group.awaiting for group in groups), sum(group.other for group in groups)
        uncounted = [f"{awaiting:,} of the last hour without a status yet"] if awaiting else []
        uncounted += [f"{other:,} with another status"] if other else []
        if uncounted:
            self.line(f"accepted also counts {' and '.join(uncounted)}", "dim")

    def lines_of_time(self, groups: Iterable[Group]) -> None:
        """Write how many messages were sent, and how many failed, as sparklines."""
        everything = [group.counts for group in groups]
        width = self._out.width - _LABEL_WIDTH - 1
        drawn: tuple[tuple[str, Callable[[Counts], int], str], ...] = (
            ("messages", lambda counts: counts.messages, "default"),
            ("failed", lambda counts: counts.failed, "red"),
        )
        for label, count, style in drawn:
            values = thinned([count(counts) for counts in everything], width)
            line = Text(label.ljust(_LABEL_WIDTH), style="bold")
            self._out.print(line.append(sparkline(values, blocks=self._blocks), style))
        self.line()

    def table(self, by: Grouping, made: list[tuple[Text, Rates]], counted: str) -> None:
        """Write a row for each group. ``counted`` heads the number of messages, with those without a status."""
        headings = [counted, "delivered", self._shown("read ≥"), "failed", "pending"]
        if any(rates.counts.unconfirmed for _, rates in made):
            headings.append("no status")
        rows = [self._cells(rates)[: len(headings)] for _, rates in made]
        left = self._out.width - sum(max(map(len, column)) + _SPACE for column in zip(headings, *rows, strict=True))
        if left < _NARROWEST_NAME:
            self.blocks(made, headings, rows)
            return
        # A name goes before the median, and that before the bar.
        left -= max(_NARROWEST_NAME, min(_USUAL_NAME, max(len(name) for name, _ in made)))
        if by in WITH_DETAILS and left >= len("median") + _SPACE:
            headings.append("median")
            left -= len("median") + _SPACE
            for row, (_, rates) in zip(rows, made, strict=True):
                median = rates.percentiles.get(50)
                row.append(Text("" if median is None else short_duration(median)))
        bar_width = next((width for width in (20, 10) if left >= width + _SPACE), 0)
        table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        table.add_column(_HEADINGS.get(by, by.value), min_width=_NARROWEST_NAME)
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="right", no_wrap=True)
            if bar_width and place == 0:
                table.add_column("", width=bar_width, no_wrap=True)
        for (name, rates), row in zip(made, rows, strict=True):
            share = rates.delivered.part / rates.delivered.whole if rates.delivered.whole else 0.0
            drawn = bar(share, bar_width, blocks=self._blocks) if rates.delivered.missing is None else ""
            table.add_row(name, row[0], *([drawn] if bar_width else []), *row[1:])
        self._out.print(table)

    def _cells(self, rates: Rates) -> list[Text]:
        """Return accepted, delivered, read, failed, pending and unconfirmed messages of a group."""
        counts = rates.counts
        mark = "*" if counts.provisional else " "
        return [
            Text(f"{counts.accepted:,}"),
            Text(self._shown(_cell(rates.delivered)) + mark),
            Text(self._shown(_cell(rates.read))),
            Text(f"{counts.failed:,}" if counts.failed else "", style="red"),
            Text(f"{counts.pending:,}" if counts.pending else ""),
            Text(f"{counts.unconfirmed:,}" if counts.unconfirmed else "", style="red"),
        ]

    def blocks(self, made: list[tuple[Text, Rates]], headings: list[str], rows: list[list[Text]]) -> None:
        """Write each group with its numbers below its name, where a table is too wide."""
        for (name, _), row in zip(made, rows, strict=True):
            self._out.print(name)
            shown = [
                f"{heading} {cell.plain.strip()}"
                for heading, cell in zip(headings, row, strict=True)
                if cell.plain.strip()
            ]
            print_indented(self._out, Text(self._shown(" · ".join(shown))))

    def failures(self, groups: Iterable[Group]) -> None:
        """Write each error with the people and messages it concerns; the last row is failures without a code."""
        table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        table.add_column("error", min_width=_NARROWEST_NAME)
        table.add_column("people", justify="right", no_wrap=True)
        table.add_column("messages", justify="right", no_wrap=True)
        bar_width = 20 if self._out.width >= _WITH_BAR else 0
        if bar_width:
            table.add_column("", width=bar_width, no_wrap=True)
        failing = [group for group in groups if group.counts.failed]
        greatest = max((group.counts.failed for group in failing), default=0) or 1
        for group in failing:
            failed = group.counts.failed
            named = group.key is not None
            table.add_row(
                self._name(group, Grouping.ERROR, set()) if named else Text(_NAMELESS[Grouping.ERROR], style="dim"),
                "" if group.people is None else f"{group.people:,}",
                f"{failed:,}",
                *([Text(bar(failed / greatest, bar_width, blocks=self._blocks), style="red")] if bar_width else []),
            )
        self._out.print(table)

    def _name(self, group: Group, by: Grouping, twice: AbstractSet[str]) -> Text:
        """Return the name of a group; two hours of one name (``twice``) have their offsets from UTC."""
        key, label = one_line(str(group.key)), one_line(group.label or "")
        if by is Grouping.HOUR:
            key = (key if key[:16] in twice else key[:16]).replace("T", " ")
        text = key
        if by is Grouping.ERROR and label:
            text = f"{key}  {label}"
        elif by in {Grouping.NUMBER, Grouping.WORKFLOW, Grouping.SENDER} and label:
            text = label
        return Text(text, no_wrap=True, overflow="ellipsis" if not self._plain else "crop")


def _sentence(share: Share, whole: str, rest: str, *, at_least: bool = False) -> str:
    """``97.1 % (1,204 of 1,240 sent; 12 pending, 24 failed)``, or counts alone, or a dash with its reason."""
    if share.missing is not None:
        return f"{share.percent} ({share.missing})"
    if not share.whole:
        return f"none {whole}" + rest.replace("; 0 pending, 0 failed", "")
    counted = f"{share.part:,} of {share.whole:,} {whole}{rest}"
    if share.rate is None:
        return f"{counted} (too few for a percentage)"
    rate = f"{'≥ ' if at_least else ''}{share.percent}"
    return f"{rate:>8} ({counted})"


def _cell(share: Share) -> str:
    if share.missing is None and share.rate is None:
        return f"{share.part:,} of {share.whole:,}" if share.whole else ""
    return share.percent


def _time_to_deliver(made: Rates) -> str:
    beside = f"{made.measured:,} measured; {made.not_delivered:,} not delivered"
    if made.no_times is not None:
        return f"{stats.UNKNOWN} ({made.no_times})"
    if not made.percentiles:
        return f"too few messages ({beside})"
    names = {50: "median"}
    times = " · ".join(
        f"{names.get(percent, f'p{percent}')} {short_duration(seconds)}"
        for percent, seconds in made.percentiles.items()
    )
    return f"{times} ({beside})"


def _read_within(made: Rates) -> str:
    hour, day = made.read_within_hour, made.read_within_day
    if hour.missing is not None:
        return f"{stats.UNKNOWN} ({hour.missing})"
    if hour.rate is None:
        return f"1 h: {hour.part:,}, 24 h: {day.part:,} of {hour.whole:,} delivered (too few for a percentage)"
    return f"1 h: ≥ {hour.percent}, 24 h: ≥ {day.percent} of {hour.whole:,} delivered at a known time"


def _billing(counts: Counts) -> str:
    parts_text = []
    for category, kinds in stats.billing(counts.prices).items():
        paid, free, unknown = (kinds.get(kind, 0) for kind in (True, False, None))
        if category is None and not (paid or free):
            parts_text.append(f"{unknown:,} without pricing")
            continue
        beside = ", ".join(f"{count:,} {word}" for count, word in ((free, "free"), (unknown, "unknown")) if count)
        parts_text.append(f"{one_line(category or 'no category')} {paid:,}" + (f" ({beside})" if beside else ""))
    return " · ".join(parts_text) + ", of messages that arrived"


def _moment(timestamp: int | None, zone: tzinfo) -> str | None:
    return None if timestamp is None else date_time(datetime.fromtimestamp(timestamp, zone))
