"""The command line: one app out of the groups of commands, errors as a line and a remedy, exit codes.

Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not found, 4 looked and
something needs you. What a command needs is imported when it runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from ticktrail import __version__
from ticktrail.cli.commands import alerts as alerting
from ticktrail.cli.commands import conversation
from ticktrail.cli.commands import diagnostics as care
from ticktrail.cli.commands import error_codes as explain
from ticktrail.cli.commands import n8n as look
from ticktrail.cli.commands import query as ask
from ticktrail.cli.commands import receive as receiving
from ticktrail.cli.commands import retention as custody
from ticktrail.cli.commands import serve as serving
from ticktrail.cli.commands import setup as start
from ticktrail.cli.commands import statistics as figures
from ticktrail.cli.commands import sync as keep
from ticktrail.cli.options import WATCH_SECONDS, say
from ticktrail.errors import TicktrailError

app = typer.Typer(
    name="ticktrail",
    help="The delivery ledger for WhatsApp messages sent through n8n: was it delivered, read, or why did it fail?",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for group in (start, keep, ask, explain, look, care, figures, conversation, custody, alerting, receiving, serving):
    app.add_typer(group.app)


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; errors become a line and their remedy on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code: object = app(args=_with_interval(arguments), prog_name="ticktrail", standalone_mode=False)
        sys.stdout.flush()
    except TicktrailError as error:
        say(str(error), "error")
        if error.remedy:
            say(error.remedy, "error")
        return error.exit_code
    except TyperException as error:
        error.show() if hasattr(error, "show") else say(str(error))
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        say("Stopped. Nothing was lost: what was read before is kept, the next run continues.")
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


def _with_interval(arguments: list[str]) -> list[str]:
    """``--watch`` may stand alone, which typer's options cannot: then it means the usual interval."""
    completed = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        completed.append(argument)
        if argument == "--watch" and not following.replace(".", "", 1).isdigit():
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version  # its callback has done its work
