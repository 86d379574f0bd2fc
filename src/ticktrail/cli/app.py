"""The ``ticktrail`` command: the groups of commands, errors as messages with a remedy, and exit codes.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not found,
4 needs attention. A command imports what it needs when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from ticktrail import __version__
from ticktrail.cli.commands import (
    alerts,
    conversation,
    diagnostics,
    error_codes,
    n8n,
    query,
    receive,
    retention,
    serve,
    setup,
    statistics,
    status,
    sync,
)
from ticktrail.cli.options import WATCH_SECONDS, say
from ticktrail.cli.streams import run_with_streams
from ticktrail.errors import TicktrailError

GROUPS = {
    "Start": ("demo", "init", "status", "doctor"),
    "Collect": ("sync", "receive", "run", "audit"),
    "Ask": ("messages", "message", "conversation", "stats", "sends", "errors", "export"),
    "Look into n8n": ("list", "track"),
    "Alert": ("alerts", "report"),
    "Maintain": ("forget", "prune", "copy", "backup"),
    "Serve": ("serve",),
}
"""The commands in the order of the help."""


class GroupedCommands(TyperGroup):
    """Lists the commands by :data:`GROUPS`; a command without a group comes last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the command names in the order of the help."""
        grouped = [name for names in GROUPS.values() for name in names if name in self.commands]
        return grouped + [name for name in super().list_commands(ctx) if name not in grouped]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group."""
        ungrouped = self.list_commands(ctx)[sum(name in self.commands for names in GROUPS.values() for name in names) :]
        width = max(map(len, self.commands))
        for title, names in {**GROUPS, "Other": tuple(ungrouped)}.items():
            rows = [
                (name.ljust(width), self.commands[name].get_short_help_str(formatter.width))
                for name in names
                if name in self.commands and not self.commands[name].hidden
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


app = typer.Typer(
    name="ticktrail",
    cls=GroupedCommands,
    help="Track WhatsApp messages sent through n8n: delivered, read, or why they failed.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for module in (
    *(setup, status, sync, receive, query, error_codes, n8n, diagnostics, statistics),
    *(conversation, retention, alerts, serve),
):
    app.add_typer(module.app)


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; an error becomes a message and its remedy on stderr."""
    return run_with_streams(lambda: _run(arguments or ["--help"]))


def _run(arguments: list[str]) -> int:
    try:
        code: object = app(args=_with_interval(arguments), prog_name="ticktrail", standalone_mode=False)
    except TicktrailError as error:
        say(str(error), "error")
        if error.remedy:
            say(error.remedy, "error")
        return error.exit_code
    except TyperException as error:
        say(_usage_fault(error), "error")
        commands = {name for names in GROUPS.values() for name in names}
        say(" ".join(["Type: ticktrail", *(word for word in arguments[:1] if word in commands), "--help"]), "error")
        return error.exit_code
    except SystemExit:
        # typer exits by itself, with code 1, when the reader of stdout has closed it.
        raise BrokenPipeError from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    return code if isinstance(code, int) else 0


def _usage_fault(error: TyperException) -> str:
    """Return what is wrong with the words that were typed, as one sentence."""
    text = error.format_message().replace("Value error, ", "").replace("Input should be", "it must be")
    return f"{re.sub(r', unable to parse .*', '', text).rstrip('.?')}{'?' if text.endswith('?') else '.'}"


def _with_interval(arguments: list[str]) -> list[str]:
    """Give ``--watch`` the default interval where no value follows it: typer's options always take one."""
    completed = []
    for argument, following in pairwise([*arguments, ""]):
        completed.append(argument)
        if argument == "--watch" and (not following or re.match(r"-\D", following)):
            completed.append(str(WATCH_SECONDS))
    return completed


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        print(f"ticktrail {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    del version  # its callback has done its work
