"""The pages of a user who may see masked numbers only, without and with errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support import invented_store

from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.stores.sync_state import Run
from ticktrail.sync.incremental import scope_of

from .look import Look
from .test_walk import PAGES

pytestmark = pytest.mark.browser


def test_a_failed_sync_is_told_without_its_words(look: Look, tmp_path: Path, serve: Callable[..., str]) -> None:
    """The strip and the page behind it say that a sync failed; what n8n said, and where it is, only to some."""
    store, now = tmp_path / "ledger.sqlite", datetime.now(UTC)
    invented_store.fill(store, 100, now)
    said = "n8n at https://n8n.shop.example.com refused 966500000041; /var/lib/secret/ledger.db is as it was"
    with open_store(str(store), StoreOptions(timezone=invented_store.ZONE)) as opened:
        invented_store.note_syncs(opened, now, trouble=True)
        scope = scope_of(invented_store.N8N, invented_store.WORKFLOW, opened)
        opened.sync_state.add_run(
            Run(run_id="z", scope=scope, began_at=now + timedelta(seconds=1), seconds=1, error=said)
        )
    address = serve(store)
    full = look.at(f"{address}/health", role="full")
    assert "n8n.shop.example.com" in full.text_content("#content")
    viewer = look.at(address, role="viewer")
    for place in (*PAGES, "/?wall"):
        page = full if "wall" in place else viewer
        look.go(page, f"{address}{place}")
        assert "The last sync failed" in page.text_content("#health")
        sent = page.content()
        for secret in ("shop.example", "966500000041", "/var/lib", "secret", "as it was", str(tmp_path), "n8n.example"):
            assert secret not in sent, f"{secret} on {place}"
    page = look.at(f"{address}/health", role="viewer")
    look.picture(page, "trust-viewer")
    assert page.text_content(".bad-word") == "failed"


def test_a_store_error_hides_the_location_from_viewers(look: Look, tmp_path: Path, serve: Callable[..., str]) -> None:
    """All users see that a store cannot be read; only those with full access see its location."""
    store = tmp_path / "ledger.sqlite"
    store.write_bytes(b"this is no database, and was never one" * 100)
    address = serve(store)
    for role in ("viewer", "full"):
        page = look.at(address, role=role)
        for place in (*PAGES, "/?wall"):
            look.go(page, f"{address}{place}")
            assert page.locator("#health.bad").count() == 1
            may_know = role == "full" and "wall" not in place
            assert (str(tmp_path) in page.content()) == may_know, place
            assert ("ledger.sqlite" in page.content()) == may_know, place
        look.go(page, f"{address}/messages")
        look.picture(page, f"error-{role}")
        assert page.get_by_role("link", name="Try again").count() == 1
        answer = page.request.get(f"{address}/messages.csv")
        assert answer.status == 503
        assert (str(tmp_path) in answer.text()) == (role == "full")


def test_settings_at_fault_are_said_as_such(look: Look, tmp_path: Path, serve: Callable[..., str]) -> None:
    """A broken ticktrail.toml is a server error; viewers see neither its path nor the later note."""
    store, toml = tmp_path / "ledger.sqlite", tmp_path / "ticktrail.toml"
    toml.write_text('[alerts]\nstuck_after = "24h"\n', encoding="utf-8")
    invented_store.fill(store, 20, datetime.now(UTC), trouble=True)
    address = serve(store)
    toml.write_text("[alerts\n", encoding="utf-8")
    for role in ("full", "viewer"):
        page = look.at(address, role=role)
        assert page.text_content("h1") == "The settings cannot be used."
        assert (str(tmp_path) in page.content()) == (role == "full")
    toml.write_text("", encoding="utf-8")
    page = look.at(address)
    page = look.at(f"{address}/alerts")
    page.locator("details.alert > summary").first.click()
    page.get_by_role("link", name="Acknowledge", exact=True).first.click()
    page.locator("dialog[open] input[name=note]").fill("Nora calls them")
    page.locator("dialog[open] form.stacked button").click()
    page.wait_for_load_state()
    look.go(page, f"{address}/alerts?show=acknowledged")
    assert "Nora calls them" in page.text_content(".alert-body")
    viewer = look.at(f"{address}/alerts?show=acknowledged", role="viewer")
    assert viewer.locator(".alert-body").count() == 1
    assert "Nora" not in viewer.content()
    assert viewer.locator(".alert-body form").count() == 0


def test_a_viewer_cannot_look_for_a_person(look: Look, shop: str) -> None:
    """A viewer's search finds no person, and an address that would search is refused, in a file too."""
    page = look.at(f"{shop}/", role="viewer")
    page.locator(".omnibox input").fill("966500000021")
    page.keyboard.press("Enter")
    page.wait_for_url("**/find/*")
    assert "Viewers cannot look for a person" in page.text_content("#content")
    found = look.at(shop)
    found.locator(".omnibox input").fill("999999999")
    found.keyboard.press("Enter")
    found.wait_for_url("**/find/*")
    for address in (f"{shop}/messages?to=966500000021", found.url):
        page = look.at(address, role="viewer")
        assert "Viewers cannot look for a person" in page.text_content("#content")
    assert page.locator("tr.row").count() == 0
    answer = page.request.get(f"{shop}/messages.csv?to=966500000021", headers={"Cookie": "role=viewer"})
    assert answer.status == 400
    refused = page.request.post(f"{shop}/alerts/acknowledge", form={"key": "x"}, headers={"Cookie": "role=viewer"})
    assert refused.status == 400
    more = look.at(f"{shop}/messages", role="viewer")
    more.locator("summary", has_text="More conditions").click()
    assert more.get_by_label("To", exact=True).count() == 0
    assert more.get_by_label("Template", exact=True).count() == 1
