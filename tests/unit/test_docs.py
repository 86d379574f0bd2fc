"""The docs say what the program does: commands, options, settings, fields, links, versions."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from ticktrail import __version__
from ticktrail.cli.app import app
from ticktrail.messages.document import send_to_document, to_document
from ticktrail.messages.merge import gather, merge_message
from ticktrail.messages.model import Message, Send, SentBy, StatusEvent, Template
from ticktrail.settings.n8n_url import DEFAULT_API_PREFIX
from ticktrail.settings.settings import DEFAULT_TIMEZONE, SETTINGS, MongodbSettings

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

# The commands as typer made them, by name.
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands


def section(text: str, heading: str) -> str:
    """The text below a heading, down to the next one of its level or above."""
    level = heading.split(" ", 1)[0]
    assert f"\n{heading}\n" in text, f"there is no heading {heading!r}"
    below = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"\n#{{1,{len(level)}}} ", below, maxsplit=1)[0]


def rows(text: str) -> Iterator[list[str]]:
    """The rows of the Markdown tables in a text, as cells."""
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def fields(text: str) -> list[str]:
    """The names in the first cells of a table, one cell may hold several."""
    return [name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])]


def code_in(text: str) -> Iterator[str]:
    """The code of a page: the lines of its code blocks, and code within sentences."""
    fences = re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for language, block in fences:
        if language in {"sh", "cron", "bat", "ini", "yaml", "dockerfile"}:
            yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def full_message() -> Message:
    """A message of which everything is known: every field a document can have is in its document."""
    common: dict[str, Any] = {
        "message_id": "wamid.FULL",
        "conversation_id": "966500000001",
        "phone_number_id": "200000000000001",
        "display_phone_number": "15550000001",
        "recipient_user_id": "SA.9001",
        "callback_data": "campaign-7",
        "participant": "966500000002",
    }
    events = [
        StatusEvent(status=status, timestamp=1_795_355_171 + place, execution_id=str(place), **common)
        for place, status in enumerate(("sent", "delivered", "read", "played"))
    ]
    failed = StatusEvent(
        status="failed",
        timestamp=1_795_355_180,
        execution_id="9",
        workflow_id="another",
        errors=({"code": 131026, "title": "Message undeliverable", "details": "why"},),
        pricing={"billable": True},
        **common,
    )
    made_up = StatusEvent(status="read", timestamp=1, timestamp_source="execution", execution_id="10", **common)
    at = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
    news = gather([*events, failed, made_up], instance="riyadh")["wamid.FULL"]
    message = merge_message(None, "wamid.FULL", news, at=at)
    return msgspec.structs.replace(message, template=Template("order_ready", "ar"), sent_by=SentBy("w", "Send", "11"))


def least_message() -> Message:
    """A message of which next to nothing is known."""
    at = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
    event = StatusEvent(message_id="wamid.LEAST", status="sent", execution_id="1")
    return merge_message(None, "wamid.LEAST", gather([event])["wamid.LEAST"], at=at)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_the_reference(name: str) -> None:
    """The reference has a section for each command, which names all its options and arguments."""
    text = section(REFERENCE, f"### ticktrail {name}")
    for parameter in COMMANDS[name].params:
        named = parameter.opts if parameter.param_type_name == "option" else [parameter.name.upper()]
        for word in named:
            assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text), f"{word} of {name} is not there"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_in_the_reference_and_the_example(name: str) -> None:
    """Each setting has a line in .env.example, and in the reference a good value and whether it is secret."""
    settings = {
        re.findall(r"`(\w+)`", row[0])[0]: row for row in rows(section(REFERENCE, "## Settings")) if "`" in row[0]
    }
    assert name in settings
    row = settings[name]
    assert row[2].strip("`") == SETTINGS[name].example
    assert row[3].startswith("secret") == SETTINGS[name].secret
    assert len(re.findall(rf"^#{name}=.+$", EXAMPLE, re.MULTILINE)) == 1


def test_the_defaults_in_the_reference_are_the_programs() -> None:
    """The defaults that the program has as constants stand in their settings' rows."""
    shown = {row[0].strip("`"): row[1] for row in rows(section(REFERENCE, "## Settings"))}
    names = MongodbSettings()
    assert f"`{DEFAULT_API_PREFIX}`" in shown["N8N_API_PREFIX"]
    assert f"`{names.database}`" in shown["MONGODB_DATABASE"]
    assert f"`{names.status_collection}`" in shown["MONGODB_STATUS_COLLECTION"]
    assert f"`{names.sends_collection}`" in shown["MONGODB_SENDS_COLLECTION"]
    assert f"`{DEFAULT_TIMEZONE}`" in shown["TICKTRAIL_TIMEZONE"]


def test_the_example_sets_nothing_and_knows_nothing_else() -> None:
    """A copied .env.example changes nothing until a line is uncommented, and has no setting of its own making."""
    assert all(line.startswith("#") or not line.strip() for line in EXAMPLE.splitlines())
    assert set(re.findall(r"^#([A-Z0-9_]+)=", EXAMPLE, re.MULTILINE)) == set(SETTINGS)


def test_the_reference_has_the_fields_of_a_message() -> None:
    """The reference's tables are exactly what a document and a history entry can hold, and what is always there."""
    text = section(REFERENCE, "## Fields of a message")
    always, optional, entry = (fields(part) for part in re.split(r"\n[^|\n]+:\n", text)[1:4])
    everything, least = to_document(full_message(), UTC), to_document(least_message(), UTC)
    assert sorted(always) == sorted(["_id", *least])
    assert sorted(optional) == sorted(everything.keys() - least.keys())
    assert sorted(entry) == sorted({name for one in everything["statusHistory"] for name in one})


def test_the_reference_has_the_fields_of_a_send() -> None:
    """The reference lists exactly the fields that MongoDB keeps of a send."""
    send = Send(
        key="refused:1",
        message_id="wamid.SEND",
        sent_by=SentBy("w", "Send", "11"),
        status="rejected",
        sent_at=datetime(2026, 11, 22, tzinfo=UTC),
        conversation_id="966500000001",
        input="+966500000001",
        template=Template("order_ready", "ar"),
        rejected=True,
        errors=({"code": 132001},),
        instance="riyadh",
    )
    stored = {"_id", *send_to_document(send)}
    assert sorted(fields(section(REFERENCE, "## Fields of a send"))) == sorted(stored)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    """Every relative link and image of a page exists, and so does the heading that a link names."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{link}: there is no such heading"


def test_the_readme_is_short() -> None:
    """The README has fewer than 1,200 words."""
    assert len(README.split()) < 1_200


def test_the_glossary_is_short() -> None:
    """The glossary defines fewer than 20 words."""
    assert len(list(rows(GLOSSARY))) - 1 < 20


def test_versions_agree() -> None:
    """The installed distribution, the package and the changelog's newest entry have the same version."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^(?:## \[|Will be released as )(\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert newest is not None
    assert importlib.metadata.version("ticktrail") == __version__ == newest[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_type_only_what_exists(page: Path) -> None:
    """Every ``make`` target, ``ticktrail`` command and option in a page's code exists."""
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in code_in(page.read_text(encoding="utf-8")):
        for target in re.findall(r"\bmake ([a-z0-9]+)", line):
            assert target in targets, f"make {target}: {line}"
        # One word may stand twice in a row: the name of a container before the name of the program.
        for found in re.finditer(r"ticktrail(?:\.exe)?(?= +([a-z][a-z-]*)([^|;&>\n]*))", line):
            command, rest = found.groups()
            if command == "ticktrail":
                continue
            assert command in COMMANDS, f"ticktrail {command}: {line}"
            known = {option for parameter in COMMANDS[command].params for option in parameter.opts} | {"--help", "-h"}
            for option in re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", rest):
                assert option in known, f"{option} of ticktrail {command}: {line}"


def test_the_picture_needs_nothing_from_the_network() -> None:
    """The README's picture loads no font, style or image, and shows every kind of tick."""
    picture = (ROOT / "docs" / "images" / "demo.svg").read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|@font-face|url\(|href=|<script|<style", picture)
    for shown in ("✓ sent", "✓✓ delivered", "✓✓ read", "✗ failed"):
        ticks, word = shown.split()
        assert re.search(rf">{ticks} *(?:</text>\s*<text[^>]*>)?{word}<", picture), f"{shown} is not in the picture"


@pytest.mark.parametrize("page", [*PAGES, ROOT / ".env.example"], ids=lambda page: page.name)
def test_phone_numbers_are_invented(page: Path) -> None:
    """Every number long enough to be a phone number is an invented one."""
    numbers = re.findall(r"(?<![\w.-])\+?(\d{11,15})(?![\w-])", page.read_text(encoding="utf-8"))
    assert [number for number in numbers if not re.fullmatch(r"9665000000\d\d|1555000\d{4}", number)] == []


def test_security_names_tests_that_exist() -> None:
    """Every test file that SECURITY.md gives as proof is there."""
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).is_file()] == []
