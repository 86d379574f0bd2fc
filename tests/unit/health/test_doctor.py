"""The doctor's page and its second lock, apart from what it looks at."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import cast

import pytest

from ticktrail.errors import StoreRefusedError
from ticktrail.health.checks import Finding, Severity
from ticktrail.health.doctor import examine
from ticktrail.output.doctor import headline, to_report, write_text
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store


def found(severity: Severity, says: str = "It is so.", remedy: str = "") -> Finding:
    """A finding."""
    return Finding(name="thing", severity=severity, says=says, remedy=remedy)


OK, WARNING, FAULT, UNKNOWN = (found(severity) for severity in Severity)


def printed(*findings: Finding) -> str:
    """The page, without a terminal."""
    stream = io.StringIO()
    write_text(findings, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("findings", "severity"),
    [
        ([OK, OK], "Everything is in order."),
        ([OK, FAULT], "1 problem."),
        ([WARNING, FAULT], "2 problems."),
        ([FAULT, UNKNOWN, UNKNOWN], "1 problem; 2 checks not possible."),
        ([OK, UNKNOWN], "No problems; 1 check not possible."),
    ],
)
def test_the_verdict(findings: list[Finding], severity: str) -> None:
    """Faults and warnings decide the verdict; checks that could not run are listed with it."""
    assert headline(findings) == severity
    assert printed(*findings).splitlines()[0] == severity
    assert to_report(findings)["verdict"] == severity


def test_a_long_remedy_stays_under_its_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are wrapped with a hanging indent, no line ends in spaces, an address is never broken."""
    monkeypatch.setenv("COLUMNS", "60")
    address = "https://n8n.example.com/" + "a" * 80
    lines = printed(found(Severity.FAULT, "word " * 30, f"Go to {address} now.")).splitlines()[2:]
    assert lines[0].startswith("\N{BALLOT X}  thing  word")
    assert all(line.startswith(" " * 10) and line[10] != " " for line in lines[1:])
    assert all(line == line.rstrip() for line in lines)
    assert any(address in line for line in lines)


def test_what_a_server_said_cannot_paint_the_terminal() -> None:
    """Control characters and markup in a name are shown as blanks and as they stand."""
    assert "\x1b" not in printed(found(Severity.OK, "The workflow '\x1b[2J[red]x' is active."))
    assert "[red]x" in printed(found(Severity.OK, "The workflow '\x1b[2J[red]x' is active."))


def test_no_secret_gets_out_even_if_an_error_holds_one(tmp_path: Path) -> None:
    """Should an error repeat the store's URI, the finding does not."""
    uri = "mongodb://me:s3cret-password@host/x"

    def careless(settings: Settings) -> Store:
        raise StoreRefusedError(f"no {settings.store_url.reveal()}", remedy=f"look at {settings.store_url.reveal()}")

    findings = examine({"TICKTRAIL_STORE": uri}, {}, tmp_path, careless)
    assert "s3cret" not in json.dumps(to_report(findings))
    assert "no ***" in cast("Finding", findings[-1]).says  # type: ignore[redundant-cast]
