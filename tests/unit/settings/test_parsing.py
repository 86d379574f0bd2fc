"""Settings: whatever people copy into them is understood."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Secret, Settings


def load(folder: Path, dotenv: str | bytes | None = None, /, **environ: str) -> Settings:
    """The settings of a folder with this .env, under this environment."""
    if dotenv is not None:
        (folder / ".env").write_bytes(dotenv if isinstance(dotenv, bytes) else dotenv.encode())
    return load_settings({}, environ, folder)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://n8n.example.com", "https://n8n.example.com"),
        (" 'https://n8n.example.com/' ", "https://n8n.example.com"),
        ("https://n8n.example.com/workflow/bcHn4wXXcVuTsjYB", "https://n8n.example.com"),
        ("https://n8n.example.com/workflow/abc/executions/12?x=1#y", "https://n8n.example.com"),
        ("https://n8n.example.com/home/workflows", "https://n8n.example.com"),
        ("https://n8n.example.com/projects/x/workflows", "https://n8n.example.com"),
        ("https://n8n.example.com/executions", "https://n8n.example.com"),
        ("https://n8n.example.com/signin?redirect=%2Fhome", "https://n8n.example.com"),
        ("https://n8n.example.com/settings/api", "https://n8n.example.com"),
        ("https://n8n.example.com/webhook/wa", "https://n8n.example.com"),
        ("https://n8n.example.com/api/v1", "https://n8n.example.com"),
        ("https://n8n.example.com/api/v1/docs/#/", "https://n8n.example.com"),
        ("https://example.com/tools/n8n/workflow/abc", "https://example.com/tools/n8n"),
        ("https://example.com/tools/n8n/api/v1/", "https://example.com/tools/n8n"),
        ("https://example.com/n8n/", "https://example.com/n8n"),
        ("HTTPS://N8N.Example.COM:8443/home", "https://n8n.example.com:8443"),
        ("n8n.example.com", "https://n8n.example.com"),
        ("n8n.example.com:5678/home/workflows", "https://n8n.example.com:5678"),
        ("//n8n.example.com", "https://n8n.example.com"),
        ("my.app.n8n.cloud", "https://my.app.n8n.cloud"),
        ("localhost:5678", "http://localhost:5678"),
        ("127.0.0.1:5678/workflow/1", "http://127.0.0.1:5678"),
        ("192.168.1.20:5678", "http://192.168.1.20:5678"),
        ("10.0.0.5", "http://10.0.0.5"),
        ("[::1]:5678", "http://[::1]:5678"),
        ("n8n:5678", "http://n8n:5678"),
        ("nas.local:5678", "http://nas.local:5678"),
        ("192.168.1.20:443", "https://192.168.1.20:443"),
        ("8.8.8.8", "https://8.8.8.8"),
        ("https://localhost", "https://localhost"),
        ("http://n8n.example.com", "http://n8n.example.com"),
        ("https://münchen.example", "https://münchen.example"),
    ],
)
def test_any_address_from_the_browser_is_understood(tmp_path: Path, text: str, url: str) -> None:
    """Pages, the API's path, quotes and spaces fall away; a proxy's prefix stays; the likely scheme is taken."""
    settings = load(tmp_path, N8N_BASE_URL=text)
    assert settings.n8n.base_url == url
    assert settings.n8n.editor_url == url


def test_an_address_with_a_password_gives_basic_auth(tmp_path: Path) -> None:
    """Credentials in the address are used as basic auth, and stay out of every URL; named ones go before them."""
    settings = load(tmp_path, N8N_BASE_URL="https://shop:p%40ss@n8n.example.com/home")
    assert settings.n8n.base_url == "https://n8n.example.com"
    assert (settings.n8n.basic_user, settings.n8n.basic_pass) == ("shop", Secret("p@ss"))
    named = load(tmp_path, N8N_BASE_URL="https://shop:x@h.example", N8N_BASIC_USER="a", N8N_BASIC_PASS="b")  # noqa: S106
    assert (named.n8n.basic_user, named.n8n.basic_pass) == ("a", Secret("b"))


def test_the_editor_may_have_another_address(tmp_path: Path) -> None:
    """Links use N8N_EDITOR_URL, requests N8N_BASE_URL; a prefix of its own is cut from both."""
    settings = load(
        tmp_path,
        N8N_BASE_URL="http://n8n:5678/hidden/v1",
        N8N_EDITOR_URL="https://n8n.example.com/home/workflows",
        N8N_API_PREFIX="hidden/v1/",
    )
    assert settings.n8n.base_url == "http://n8n:5678"
    assert settings.n8n.editor_url == "https://n8n.example.com"
    assert settings.n8n.prefix == "/hidden/v1"


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("abc", ("abc",)),
        (" abc , def,, abc ", ("abc", "def")),
        ("https://n8n.example.com/workflow/bcHn4wXXcVuTsjYB?projectId=x", ("bcHn4wXXcVuTsjYB",)),
        ("https://example.com/n8n/workflow/abc/executions/17, 5", ("abc", "5")),
        ('"a-b_c"', ("a-b_c",)),
    ],
)
def test_workflow_ids_and_their_urls_are_understood(tmp_path: Path, text: str, ids: tuple[str, ...]) -> None:
    """One id or several, each once and in order; a workflow's URL stands for its id."""
    assert load(tmp_path, WORKFLOW_ID_WHATSAPP=text).workflow_ids == ids


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("X-Door: open", {"X-Door": "open"}),
        ("X-Door: open; X-Other:  a:b ", {"X-Door": "open", "X-Other": "a:b"}),
        ("X-Door: open\r\nX-Other: c", {"X-Door": "open", "X-Other": "c"}),
        ("Cookie: a=1; b=https://x; X-Other: c", {"Cookie": "a=1; b=https://x", "X-Other": "c"}),
        ('{"X-Door": "open; really", "X-Other": "c"}', {"X-Door": "open; really", "X-Other": "c"}),
    ],
)
def test_headers_are_understood(tmp_path: Path, text: str, headers: Mapping[str, str]) -> None:
    """Pairs by line or semicolon, a cookie's own semicolons, or a JSON object."""
    found = load(tmp_path, N8N_HEADERS=text).n8n.headers
    assert {name: value.reveal() for name, value in found} == headers


@pytest.mark.parametrize("text", ["abc", " abc\n", '"abc"', "X-N8N-API-KEY: abc", "Bearer abc"])
def test_a_key_is_understood_as_people_copy_it(tmp_path: Path, text: str) -> None:
    """Quotes, spaces and the header's name around a key are no part of it."""
    assert load(tmp_path, N8N_API_KEY=text).n8n.api_key == Secret("abc")


@pytest.mark.parametrize(
    ("environ", "url", "database"),
    [
        ({"MONGODB_URI": "mongodb://h/shop"}, "mongodb://h/shop", "shop"),
        ({"MONGODB_URI": "mongodb://h/shop", "MONGODB_DATABASE": "other"}, "mongodb://h/shop", "other"),
        ({"MONGODB_URI": "mongodb+srv://u:p@c.example/?w=1"}, "mongodb+srv://u:p@c.example/?w=1", "n8n_whatsapp"),
        ({"MONGODB_URI": "mongodb://u:p@h/admin?w=1"}, "mongodb://u:p@h/admin?w=1", "n8n_whatsapp"),
        ({"MONGODB_URI": "mongodb://h/a", "TICKTRAIL_STORE": "/x.sqlite"}, "/x.sqlite", "n8n_whatsapp"),
        ({"MONGODB_URI": "mongodb://h/a", "TICKTRAIL_STORE": "mongodb://g/b"}, "mongodb://g/b", "b"),
        ({"TICKTRAIL_STORE": "sqlite:///var/x.sqlite"}, "sqlite:///var/x.sqlite", "n8n_whatsapp"),
    ],
)
def test_the_store_is_where_it_is_said_to_be(tmp_path: Path, environ: dict[str, str], url: str, database: str) -> None:
    """TICKTRAIL_STORE goes before MONGODB_URI; the database is the one named, else the URI's, never MongoDB's own."""
    settings = load(tmp_path, **environ)
    assert settings.store_url.reveal() == url
    assert settings.mongodb.database == database


def test_a_home_folder_is_found(tmp_path: Path) -> None:
    """In .env nothing else would put the home folder in place of ~."""
    assert load(tmp_path, "TICKTRAIL_STORE=~/t.sqlite").store_url.reveal() == str(Path("~/t.sqlite").expanduser())


def test_the_time_zone_is_ours_else_n8ns(tmp_path: Path) -> None:
    """TICKTRAIL_TIMEZONE, else GENERIC_TIMEZONE; upper and lower case do not matter."""
    assert load(tmp_path, GENERIC_TIMEZONE="Europe/Berlin").timezone == ZoneInfo("Europe/Berlin")
    both = load(tmp_path, GENERIC_TIMEZONE="Europe/Berlin", TICKTRAIL_TIMEZONE="asia/dubai")
    assert both.timezone == ZoneInfo("Asia/Dubai")


def test_the_rules_file_is_noted(tmp_path: Path) -> None:
    """ticktrail.toml beside .env is noted, another when it is named."""
    (tmp_path / "ticktrail.toml").write_text("")
    (tmp_path / "other.toml").write_text("")
    assert load(tmp_path).config_file == tmp_path / "ticktrail.toml"
    assert load(tmp_path, TICKTRAIL_CONFIG="other.toml").config_file == tmp_path / "other.toml"
