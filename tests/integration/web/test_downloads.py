"""The files of lists and tables: what they hold, what they leave out, and that no cell is a formula."""

from __future__ import annotations

import csv
import io
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient
from tests.integration.web.conftest import settings_of
from tests.support.patience import PATIENCE_SECONDS

from ticktrail.messages.error_codes import packaged
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.settings.user_file import UserFile
from ticktrail.stores.opening import open_store
from ticktrail.web.cache import QueryCache
from ticktrail.web.pages import downloads
from ticktrail.web.pages.context import Site
from ticktrail.web.pages.downloads import MOST_AT_ONCE, add_downloads
from ticktrail.web.pages.url_filters import parse_filter
from ticktrail.web.security.url_tokens import UrlTokens
from ticktrail.web.store_pool import open_store_pool

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
MOMENT = int(NOW.timestamp())
DAY = 86_400
FORMULA = '=HYPERLINK("http://example.com")'

Cell = str | float


class _RoleByHeader:
    is_open = False

    def role_of(self, request: Request) -> str:
        return request.headers.get("role", "full")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[TestClient]:
    """Downloads over three days of messages to ten people, from two templates, one of them called like a formula."""
    path = tmp_path / "ledger.db"
    events, sends = [], []
    for number in range(60):
        sent, message_id = MOMENT - (number % 3) * DAY - number, f"wamid.{number:03}"
        about = {
            "message_id": message_id, "conversation_id": f"9665000000{number % 10:02}", "execution_id": str(number),
            "workflow_id": "deliveryReports1", "phone_number_id": "1065", "display_phone_number": "15550000001",
        }  # fmt: skip
        told: list[tuple[str, int, dict[str, object]]] = [("sent", 0, {})]
        if number % 4:
            told.append(("delivered", 5, {}))
        if number % 8 == 4:
            told.append(("failed", 6, {"errors": ({"code": 131026, "title": "Message undeliverable"},)}))
        events += [
            StatusEvent(status=name, timestamp=sent + after, **about, **more)  # type: ignore[arg-type]
            for name, after, more in told
        ]
        name = FORMULA if number % 2 else "order_ready"
        sends.append(
            Send(key=message_id, message_id=message_id, sent_by=SentBy("orders", "Send", str(number)),
                 status="accepted", sent_at=NOW - timedelta(seconds=number),
                 conversation_id=str(about["conversation_id"]),
                 template=Template(name, "ar"))
        )  # fmt: skip
    sends.append(
        Send(key="refused:1", message_id=None, sent_by=SentBy("orders", "Send", "900"), status="rejected",
             rejected=True, sent_at=NOW, input="966500000041", errors=({"code": 132001, "title": "=cmd()"},))
    )  # fmt: skip
    settings = settings_of(tmp_path, TICKTRAIL_STORE=str(path), TICKTRAIL_TIMEZONE="Asia/Riyadh")
    with open_store(str(path)) as store:
        store.write(events, sends, at=NOW)
    app, pool = FastAPI(), open_store_pool(settings)
    site = Site(
        settings=settings, queries=QueryCache(pool), addresses=UrlTokens(b"k" * 32), catalogue=packaged(),
        user_file=UserFile(), region="SA",
        access=_RoleByHeader(), now=lambda: NOW,
    )  # fmt: skip
    add_downloads(app, site)
    with TestClient(app) as client:
        yield client
    pool.close()


def _rows(client: TestClient, address: str, role: str = "full") -> list[dict[str, str]]:
    answer = client.get(address, headers={"role": role})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "attachment" in answer.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def _sheet(client: TestClient, address: str) -> tuple[list[str], list[list[Cell | None]], str]:
    """The heading and the cells of the first sheet, as a reader of the format finds them, and its raw XML."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    book = zipfile.ZipFile(io.BytesIO(answer.content))
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    xml = book.read("xl/worksheets/sheet1.xml").decode()
    rows: list[list[Cell | None]] = []
    for row in ET.fromstring(xml).iterfind(".//m:row", space):  # noqa: S314 - our own file
        cells: dict[int, Cell] = {}
        for cell in row.iterfind("m:c", space):
            letters = re.sub(r"\d", "", cell.attrib["r"])
            column = sum((ord(letter) - 64) * 26**place for place, letter in enumerate(reversed(letters))) - 1
            number, text = cell.find("m:v", space), cell.find("m:is/m:t", space)
            assert cell.find("m:f", space) is None
            cells[column] = (
                (text.text or "") if text is not None else float(number.text or "") if number is not None else ""
            )
        rows.append([cells.get(column) for column in range(max(cells, default=-1) + 1)])
    return [str(cell) for cell in rows[0]], rows[1:], xml


def test_the_funnels_file_holds_every_day_and_adds_up(files: TestClient) -> None:
    """Each day of the period is a row; their sums are the totals, worked out by hand, and rates are numbers."""
    rows = _rows(files, "/days.csv?period=7d")
    assert [row["day"] for row in rows] == ["2026-11-20", "2026-11-21", "2026-11-22"]
    sums = {name: sum(int(row[name]) for row in rows) for name in ("sent", "delivered", "onTheWay", "failed")}
    # 60 messages: every fourth was not delivered, and of those every other one failed.
    assert sums == {"sent": 60, "delivered": 45, "onTheWay": 8, "failed": 7}
    assert all(float(row["deliveryRate"]) == round(int(row["delivered"]) / int(row["sent"]), 6) for row in rows)
    heading, cells, _ = _sheet(files, "/days.xlsx?period=7d")
    delivered, rate = heading.index("delivered"), heading.index("deliveryRate")
    assert sum(float(row[delivered] or 0) for row in cells) == 45
    assert all(isinstance(row[rate], float) and 0 < row[rate] < 1 for row in cells)  # type: ignore[operator]


@pytest.mark.parametrize("by", ["template", "sender", "number", "campaign", "error"])
def test_the_comparisons_file_holds_every_group(files: TestClient, by: str) -> None:
    """All messages of the period are in some row, those of no group in one without a name."""
    rows = _rows(files, f"/compare.csv?by={by}&period=7d")
    assert sum(int(row["messages"]) for row in rows) == (7 if by == "error" else 60)
    if by == "error":
        assert rows[0]["error"] == "131026"
        assert int(rows[0]["people"]) == len({number % 10 for number in range(60) if number % 8 == 4})
    if by == "campaign":
        assert [row["campaign"] for row in rows] == [""]


def test_no_cell_is_a_formula(files: TestClient) -> None:
    """A template, or an error, called like a formula is a text in every file."""
    names = {row["template"] for row in _rows(files, "/compare.csv?by=template&period=all")}
    assert f"'{FORMULA}" in {name.removesuffix("/ar") for name in names}
    assert "'=cmd()" in {row["errorTitle"] for row in _rows(files, "/sends.csv")}
    for address in ("/compare.xlsx?by=template", "/sends.xlsx", "/messages.xlsx"):
        _, _, xml = _sheet(files, address)
        assert "<f>" not in xml


def test_the_file_of_sends_holds_what_its_conditions_say(files: TestClient) -> None:
    """All 61 sends, or the one that was refused with its code; a sheet has long numbers as texts."""
    assert len(_rows(files, "/sends.csv")) == 61
    (row,) = _rows(files, "/sends.csv?refused=1&error=132001")
    assert (row["rejected"], row["errorCode"], row["input"], row["executionId"]) == (
        "True",
        "132001",
        "966500000041",
        "900",
    )
    heading, cells, _ = _sheet(files, "/sends.xlsx?refused=1")
    assert cells[0][heading.index("input")] == "966500000041"


@pytest.mark.parametrize(
    "address",
    ["/messages.csv", "/sends.csv", "/compare.csv?by=number", "/days.csv"],
)
def test_a_viewers_files_hold_no_number(files: TestClient, address: str) -> None:
    """No whole number and no message id stands in a file that a viewer gets."""
    text = "\n".join(" ".join(map(str, row.values())) for row in _rows(files, address, "viewer"))
    assert text
    assert not re.search(r"9665\d{8}|wamid|15550000001", text)


def test_a_viewer_cannot_look_for_a_person_by_file(files: TestClient) -> None:
    """A file of a typed number's messages would tell a viewer whose number it is."""
    assert len(_rows(files, "/messages.csv?to=966500000001")) == 6
    answer = files.get("/messages.csv?to=966500000001", headers={"role": "viewer"})
    assert answer.status_code == 400
    assert "Viewers" in answer.text


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("/compare.csv?by=colour", 400, "Good ones"),
        ("/compare.csv?by=user", 400, "Good ones"),
        ("/days.csv?period=whenever", 400, "Good ones"),
        ("/sends.csv?since=whenever", 400, "time"),
        ("/sends.csv?template=~broken", 404, "address"),
    ],
)
def test_files_of_nothing_are_refused_with_the_cure(files: TestClient, address: str, status: int, told: str) -> None:
    """An invalid period, grouping or condition is answered with what to do."""
    answer = files.get(address)
    assert answer.status_code == status
    assert told in answer.text


def test_only_so_many_files_are_made_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told to come back, a viewer as well; when those are done there is room again."""
    settings, gate = settings_of(tmp_path, TICKTRAIL_STORE=str(tmp_path / "ledger.db")), threading.Event()
    begun = threading.Semaphore(0)

    def parse(*arguments: Any) -> MessageFilter:
        begun.release()
        gate.wait(PATIENCE_SECONDS)
        return parse_filter(*arguments)

    monkeypatch.setattr(downloads, "parse_filter", parse)

    app, pool = FastAPI(), open_store_pool(settings)
    site = Site(
        settings=settings, queries=QueryCache(pool), addresses=UrlTokens(b"k" * 32), catalogue=packaged(),
        user_file=UserFile(), region="SA", access=_RoleByHeader(), now=lambda: NOW,
    )  # fmt: skip
    add_downloads(app, site)
    with TestClient(app) as client, ThreadPoolExecutor(MOST_AT_ONCE) as workers:
        made = [workers.submit(client.get, "/messages.csv") for _ in range(MOST_AT_ONCE)]
        assert all(begun.acquire(timeout=PATIENCE_SECONDS) for _ in made)
        for role in ("full", "viewer"):
            refused = client.get("/sends.xlsx", headers={"role": role})
            assert (refused.status_code, refused.headers.get("retry-after")) == (503, "5")
            assert "Too many" in refused.text
        gate.set()
        assert [one.result(PATIENCE_SECONDS).status_code for one in made] == [200] * MOST_AT_ONCE
        assert client.get("/sends.csv").status_code == 200
    pool.close()


def test_an_empty_period_is_a_file_with_a_heading(files: TestClient) -> None:
    """Where there is nothing, the file says what would stand there."""
    answer = files.get("/compare.csv?by=error&period=2020-01-01")
    assert answer.content.decode("utf-8-sig").startswith("error,label,accepted,messages,")
    assert answer.content.count(b"\r\n") == 1


def test_files_hold_the_figures_of_the_command_line(files: TestClient, tmp_path: Path) -> None:
    """Row by row the same as ``ticktrail stats --format csv`` prints of the same store."""
    from ticktrail.cli.app import run  # noqa: PLC0415 - only here

    printed = _printed(run, ["stats", "--by", "template", "--format", "csv", "--store", str(tmp_path / "ledger.db")])
    found, expected = (
        # The command is run today, when nothing is young any more; the page was looked at on the day itself.
        sorted(({**row, "notFinal": ""} for row in rows), key=lambda row: row["template"])
        for rows in (
            _rows(files, "/compare.csv?by=template&period=all"),
            csv.DictReader(io.StringIO(printed)),
        )
    )
    assert len(expected) == 2
    assert found == expected


def _printed(run: Callable[[list[str]], object], words: list[str]) -> str:
    import contextlib  # noqa: PLC0415

    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.suppress(SystemExit):
        run(words)
    return stream.getvalue()
