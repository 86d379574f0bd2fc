"""Alerts, reasons and advice in the language of the visitor."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support import invented_store

from ticktrail.alerts.facts import AlertFacts, Delivery, UndeliveredByNumber
from ticktrail.alerts.failures import AlertContext, Failures
from ticktrail.alerts.rules import checked_text, evaluate_rules
from ticktrail.alerts.self_answers import SelfAnswers
from ticktrail.alerts.service import find_alerts
from ticktrail.alerts.settings import read_alert_settings
from ticktrail.errors import ConfigurationError
from ticktrail.messages.counts import Counts
from ticktrail.messages.error_codes import Catalogue, packaged
from ticktrail.messages.failure_causes import CauseCount
from ticktrail.messages.failure_text import NO_REASON, retry_text
from ticktrail.queries.completeness import WorkflowCompleteness
from ticktrail.settings.alert_rules import Rules
from ticktrail.settings.loading import load_settings
from ticktrail.stores import StoreOptions
from ticktrail.stores.coverage import Facts
from ticktrail.stores.opening import open_store
from ticktrail.web.pages.command_texts import TranslatedCatalogue, error_text, from_english
from ticktrail.web.pages.forms import labels
from ticktrail.web.pages.messages import FIELDS
from ticktrail.web.pages.translation import speaking
from ticktrail.web.pages.url_filters import UrlFilter, parse_filter

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = re.compile(
    r"WhatsApp( Manager| Business)?|Ticktrail|Meta|n8n|metastatus\.com|ticktrail [a-z]+( --?[a-z]+( \w+)?)*|"
    r"\$json\.messages|spring_offer|order_ready_v2|payment_reminder|marketing|billing|deliveryReports1|[A-Z][A-Za-z-]*"
)


def _latin(text: str) -> str:
    """The Latin words of a text that are no names."""
    return " ".join(re.findall(r"[A-Za-z]{2,}", NAMES.sub("", text)))


def _alert_texts(tmp_path: Path) -> list[str]:
    settings = load_settings({"TICKTRAIL_STORE": str(tmp_path / "a.db")}, {}, tmp_path)
    with open_store(str(tmp_path / "a.db"), StoreOptions(timezone=invented_store.ZONE)) as store:
        invented_store.put(store, 2_000, NOW, trouble=True)
        invented_store.note_syncs(store, NOW, trouble=True)
        own = read_alert_settings(settings, {})
        found = [find_alerts(settings, own, store, NOW), find_alerts(settings, own, store, NOW + timedelta(days=2))]
    facts = AlertFacts(
        at=AlertContext(NOW, ZoneInfo("Asia/Riyadh"), {}),
        failures=Failures(messages=(CauseCount(failed=True, code="131026", count=30, people=9, first_timestamp=1),),
                          sends=(CauseCount(failed=True, code="131026", count=1, people=1, first_timestamp=1),)),
        undelivered=(UndeliveredByNumber(number=None, ripe=Counts(messages=9, delivered=1, pending=90), stuck=90),),
        deliveries=(Delivery(number=None, delivered=1, sent=100, delivered_before=99, sent_before=100),),
        last_status_timestamp=int(NOW.timestamp()) - 90_000,
        self_answers=(SelfAnswers(workflow_id="billing", node="Answer", count=3, causes=(), first_timestamp=1),
                      SelfAnswers(workflow_id="marketing", node="Answer", count=3, causes=())),
        unanswered=10,
        workflows=(WorkflowCompleteness(instance_url="u", workflow_id="billing", facts=Facts(checked_at=NOW)),),
    )  # fmt: skip
    rules = Rules(at_least=1, rate=0.0)
    alerts = [*evaluate_rules(facts, rules, packaged()), *(alert for one in found for alert in one.alerts)]
    assert len({alert.kind for alert in alerts}) >= 8
    texts = [part for alert in alerts for part in (alert.title.partition(", ")[0], alert.says, alert.remedy)]
    return [*texts, *(one.checked for one in found), checked_text(facts, rules)]


def test_every_alert_is_read_in_arabic(tmp_path: Path) -> None:
    """Title, numbers and advice of an alert, and what was checked, hold no English but names and commands."""
    texts = _alert_texts(tmp_path)
    with speaking("ar"):
        english = {text: left for text in texts if (left := _latin(from_english(text)))}
    assert english == {}


def test_english_stays_as_it_is(tmp_path: Path) -> None:
    """English pages say what the commands say."""
    assert all(from_english(text) == text for text in _alert_texts(tmp_path))


@pytest.mark.parametrize("entry", list(packaged()), ids=lambda entry: entry.label)
def test_every_failure_code_has_arabic_texts(entry: object) -> None:
    """The catalogue gives title and advice in the language of the page; what a user wrote stays."""
    known = packaged().lookup(entry.code)
    with speaking("ar"):
        shown = TranslatedCatalogue(packaged().singles, packaged().families).lookup(known.code)
    assert re.search(r"[\u0600-\u06ff]|Flows", shown.title)
    assert re.search(r"[\u0600-\u06ff]", shown.advice)
    assert (shown.retry, shown.wait) == (known.retry, known.wait)


def test_what_is_not_known_is_said_in_arabic_too() -> None:
    """An unknown code, no code, and whether to send again."""
    catalogue: Catalogue = TranslatedCatalogue(packaged().singles, packaged().families)
    with speaking("ar"):
        for code in (None, 987_654):
            assert not _latin(catalogue.lookup(code).title)
            assert not _latin(catalogue.lookup(code).advice.replace("ticktrail.toml", ""))
        assert not _latin(from_english(NO_REASON))
        for code in (131026, 131049, 131000, 987_654):
            assert re.search(r"[\u0600-\u06ff]", from_english(retry_text(packaged().lookup(code))))


@pytest.mark.parametrize(
    "given",
    [
        {"since": "'xx'"}, {"updated_within": "5"}, {"error": ("x",)}, {"status": ("gone",)}, {"country": "zz"},
        {"country": "GG"}, {"to": "12"}, {"to": "1"}, {"to": "  "}, {"template": "/ar"},
        {"since": "1h", "until": "2h"}, {"status": ("read",), "undelivered": True}, {"sort": "sideways"},
        {"retryable": True, "error": ("131026",)},
    ],
    ids=str,
)  # fmt: skip
def test_errors_of_typed_conditions_are_read_in_arabic(given: dict[str, object], tmp_path: Path) -> None:
    """Only what was typed and the examples stay; the condition is called as its field on the page."""
    settings = load_settings({}, {}, tmp_path)
    with speaking("ar"), pytest.raises(ConfigurationError) as caught:
        parse_filter(UrlFilter(**given), settings, NOW, labels(FIELDS))  # type: ignore[arg-type]
    with speaking("ar"):
        shown = error_text(str(caught.value)), error_text(caught.value.remedy or "")
    assert all(re.search(r"[\u0600-\u06ff]", text) for text in shown), shown
    assert not re.search(r"\b(is|not|the|use|give|one|such|such as|out|can)\b", " ".join(shown), re.IGNORECASE), shown


def test_durations_have_arabic_units() -> None:
    """``1 min 35 s`` and the wait of a retry are read with Arabic units."""
    with speaking("ar"):
        assert from_english("1 min 35 s") == "1 د 35 ث"
        assert not _latin(from_english(retry_text(packaged().lookup(131049))))


def test_texts_of_others_are_left_alone() -> None:
    """A text that no template made is shown as it came; a value within a template is never translated in part."""
    with speaking("ar"):
        assert from_english("Reported by somebody, 12 of them.") == "Reported by somebody, 12 of them."
        assert "<b>failed</b>" in from_english("template <b>failed</b>")
