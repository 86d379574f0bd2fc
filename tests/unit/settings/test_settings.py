"""Settings: where they come from, what is refused, and what is never shown."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from tests.support.webhooks import APP_SECRET

from ticktrail.errors import ConfigurationError
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import SETTINGS, Secret, Settings


def load(folder: Path, dotenv: str | bytes | None = None, /, **environ: str) -> Settings:
    """The settings of a folder with this .env, under this environment."""
    if dotenv is not None:
        (folder / ".env").write_bytes(dotenv if isinstance(dotenv, bytes) else dotenv.encode())
    return load_settings({}, environ, folder)


def refusal(folder: Path, dotenv: str | None = None, /, **environ: str) -> ConfigurationError:
    """The error that loading ends with."""
    with pytest.raises(ConfigurationError) as caught:
        load(folder, dotenv, **environ)
    return caught.value


# --- where settings come from


def test_nothing_set_gives_the_defaults(tmp_path: Path) -> None:
    """Without anything, every setting has the default that the product promises."""
    settings = load(tmp_path)
    assert (settings.n8n.base_url, settings.n8n.prefix, settings.n8n.api_key) == ("", "/api/v1", None)
    assert settings.workflow_ids == ()
    assert msgspec.to_builtins(settings.mongodb) == {
        "database": "n8n_whatsapp",
        "status_collection": "message_statuses",
        "sends_collection": "message_sends",
        "conversations_collection": None,
    }
    assert settings.timezone == ZoneInfo("Asia/Riyadh")
    assert Path(settings.store_url.reveal()).parts[-2:] == ("ticktrail", "ticktrail.sqlite")
    assert (settings.instance, settings.heartbeat_url, settings.config_file, settings.warnings) == (
        None,
        None,
        None,
        (),
    )


def test_arguments_go_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    """The nearest place that has a setting decides; blank and None mean that a place does not have it."""
    dotenv = "TICKTRAIL_STORE=/from/file\nTICKTRAIL_INSTANCE=from-file\nMONGODB_DATABASE=from_file\n"
    (tmp_path / ".env").write_text(dotenv)
    environ = {
        "TICKTRAIL_STORE": "/from/environment",
        "TICKTRAIL_INSTANCE": " ",
        "MONGODB_DATABASE": "from_environment",
    }
    settings = load_settings({"TICKTRAIL_STORE": "/from/argument", "MONGODB_DATABASE": None}, environ, tmp_path)
    assert settings.store_url.reveal() == "/from/argument"
    assert settings.mongodb.database == "from_environment"
    assert settings.instance == "from-file"


def test_an_unknown_argument_is_a_mistake_in_the_program(tmp_path: Path) -> None:
    """Arguments are named as settings are."""
    with pytest.raises(ValueError, match="STORE"):
        load_settings({"STORE": "x"}, {}, tmp_path)


def test_the_environment_is_only_read(tmp_path: Path) -> None:
    """Loading writes nothing into the process's environment."""
    before = dict(os.environ)
    load(tmp_path, "N8N_API_KEY=from-file\nTICKTRAIL_INSTANCE=x\n")
    assert dict(os.environ) == before


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_of_windows_notepad_is_read_right(tmp_path: Path, encoding: str, end: str) -> None:
    """Marks, UTF-16 and CRLF harm neither the first name nor any value."""
    lines = ["N8N_API_KEY=abc", "", "# a comment", 'TICKTRAIL_INSTANCE="Läden Süd"']
    dotenv = end.join([*lines, "N8N_BASIC_USER=u", "N8N_BASIC_PASS=p", ""])
    settings = load(tmp_path, dotenv.encode(encoding))
    assert settings.n8n.api_key == Secret("abc")
    assert settings.n8n.basic_pass == Secret("p")
    assert settings.instance == "Läden Süd"
    assert settings.warnings == ()


def test_a_file_in_the_old_code_page_is_read_too(tmp_path: Path) -> None:
    """A file that is neither UTF-8 nor UTF-16 is read as Windows-1252."""
    assert load(tmp_path, "TICKTRAIL_INSTANCE=Läden".encode("cp1252")).instance == "Läden"


def test_values_are_taken_literally(tmp_path: Path) -> None:
    """A password may hold a dollar sign or a hash: nothing is expanded or cut."""
    dotenv = "N8N_BASIC_USER=u\nN8N_BASIC_PASS='pa$${HOME}#s s'\nexport N8N_API_KEY=abc # a comment\n"
    settings = load(tmp_path, dotenv, HOME="/home/somebody")
    assert settings.n8n.basic_pass == Secret("pa$${HOME}#s s")
    assert settings.n8n.api_key == Secret("abc")


@pytest.mark.parametrize(
    ("dotenv", "said"),
    [
        ("N8N_APIKEY=x", "N8N_APIKEY in .env is not a setting. Did you mean N8N_API_KEY?"),
        ("n8n_api_key=x", "n8n_api_key in .env is not a setting. Did you mean N8N_API_KEY?"),
        ("MONGODB_URL=x", "MONGODB_URL in .env is not a setting. Did you mean MONGODB_URI?"),
        ("TICKTRAIL_TIME_ZONE=x", "TICKTRAIL_TIME_ZONE in .env is not a setting. Did you mean TICKTRAIL_TIMEZONE?"),
        ("N8N_API_KEYFILE=x", "N8N_API_KEYFILE in .env is not a setting. Did you mean N8N_API_KEY_FILE?"),
        ("WORKFLOW_ID_WHATSAP=x", "WORKFLOW_ID_WHATSAP in .env is not a setting. Did you mean WORKFLOW_ID_WHATSAPP?"),
        ("TICKTRAIL_INSTANCE=x\n= y\n", "Line 2 of .env is not NAME=value and is ignored."),
    ],
)
def test_a_mistake_in_the_file_is_warned_of(tmp_path: Path, dotenv: str, said: str) -> None:
    """A name that is nearly one of ours, and a line that is none, are said without their values."""
    assert load(tmp_path, dotenv).warnings == (said,)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "N8N_HOST",
            "N8N_PORT",
            "N8N_PROTOCOL",
            "N8N_PATH",
            "N8N_ENCRYPTION_KEY",
            "N8N_EDITOR_BASE_URL",
            "N8N_LOG_LEVEL",
        ),
        *("N8N_BASIC_AUTH_USER", "N8N_BASIC_AUTH_PASSWORD", "N8N_PUBLIC_API_DISABLED", "N8N_PUBLIC_API_ENDPOINT"),
        *("N8N_RUNNERS_ENABLED", "N8N_SECURE_COOKIE", "N8N_METRICS", "DB_TYPE", "POSTGRES_PASSWORD", "WEBHOOK_URL"),
        *("MONGODB_VERSION", "MONGODB_PORT", *SETTINGS),
    ],
)
def test_n8ns_own_variables_are_no_mistakes(tmp_path: Path, name: str) -> None:
    """A .env that n8n's container shares gives no warning."""
    (tmp_path / "file").write_text("Asia/Riyadh")
    value = {"N8N_CA_FILE": "file", "TICKTRAIL_CONFIG": "file", "MONGODB_URI": "mongodb://h"}.get(name, "Asia/Riyadh")
    other = {"N8N_BASIC_USER": "N8N_BASIC_PASS", "N8N_BASIC_PASS": "N8N_BASIC_USER"}.get(name, "X")
    if name in {"N8N_BASE_URL", "N8N_EDITOR_URL", "TICKTRAIL_HEARTBEAT_URL"}:
        value = "https://example.com"
    if name.endswith("_TOKEN"):
        value = "a-token-of-the-tests-0001"
    value = {
        "N8N_HEADERS": "A: b",
        "WHATSAPP_APP_SECRET": APP_SECRET,
        "TICKTRAIL_FORWARD_URL": "http://127.0.0.1:5678",
        "TICKTRAIL_FORWARD": "all",
        "TICKTRAIL_RECEIVE_PORT": "8788",
        "N8N_DATABASE_SCHEMA": "public",
        "N8N_DATABASE_TABLE_PREFIX": "n8n_",
        "WORKFLOW_ID_WHATSAPP": "a",
        "MONGODB_DATABASE": "a",
        "N8N_API_PREFIX": "a",
        "TICKTRAIL_READY_SECONDS": "60",
        "TICKTRAIL_TRUSTED_PROXIES": "127.0.0.1",
    }.get(name, value)
    assert load(tmp_path, f"{name}={value}\n{other}=y\n").warnings == ()


def test_a_file_that_notepad_named_is_warned_of(tmp_path: Path) -> None:
    """.env.txt is not .env."""
    (tmp_path / ".env.txt").write_text("N8N_API_KEY=x")
    settings = load(tmp_path)
    assert settings.n8n.api_key is None
    assert ".env.txt" in settings.warnings[0]


# --- secrets in files


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.secret])
def test_each_secret_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    """NAME_FILE names a file that holds the value; the line end behind it is no part of it."""
    value = {
        "MONGODB_URI": "mongodb://u:pw@h/db",
        "N8N_HEADERS": "X-A: b",
        "TICKTRAIL_HEARTBEAT_URL": "https://h/x",
        "WHATSAPP_APP_SECRET": APP_SECRET,
        "TICKTRAIL_DASHBOARD_TOKEN": "a-token-of-the-tests-0001",
        "TICKTRAIL_DASHBOARD_VIEWER_TOKEN": "a-token-of-the-tests-0002",
    }.get(name, "val")
    (tmp_path / "secret").write_bytes(value.encode() + b"\r\n")
    environ = {"N8N_BASIC_USER": "val", "N8N_BASIC_PASS": "val"} if "BASIC" in name else {}
    environ.pop(name, None)
    from_file = load(tmp_path, **environ, **{f"{name}_FILE": "secret"})
    assert from_file == load(tmp_path, **environ, **{name: value})


def test_a_secret_file_of_powershell_is_read_right(tmp_path: Path) -> None:
    """`echo key > file` in PowerShell writes UTF-16."""
    (tmp_path / "key").write_bytes("abc\r\n".encode("utf-16"))
    assert load(tmp_path, N8N_API_KEY_FILE="key").n8n.api_key == Secret("abc")


def test_a_password_keeps_its_spaces(tmp_path: Path) -> None:
    """Only line ends are cut from a secret's file."""
    (tmp_path / "pass").write_text(" two words \n")
    assert load(tmp_path, "N8N_BASIC_USER=u\nN8N_BASIC_PASS_FILE=pass\n").n8n.basic_pass == Secret(" two words ")


@pytest.mark.parametrize("content", [None, b"", b"\n \n"])
def test_a_secret_file_that_is_missing_or_empty_names_itself(tmp_path: Path, content: bytes | None) -> None:
    """The variable, the file, and where the variable stood are in the message."""
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    error = refusal(tmp_path, N8N_API_KEY_FILE="key")
    assert "N8N_API_KEY_FILE" in str(error)
    assert str(tmp_path / "key") in str(error)
    assert "the environment" in str(error)


def test_a_nearer_file_goes_before_a_farther_value(tmp_path: Path) -> None:
    """The place decides first; within a place the value goes before its file, and that is said."""
    (tmp_path / "key").write_text("from-file")
    assert load(tmp_path, "N8N_API_KEY=far", N8N_API_KEY_FILE="key").n8n.api_key == Secret("from-file")
    both = load(tmp_path, "", N8N_API_KEY="value", N8N_API_KEY_FILE="key")
    assert both.n8n.api_key == Secret("value")
    assert "both set" in both.warnings[0]


# --- what is refused


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("N8N_BASE_URL", "ftp://n8n.example.com", "ftp://"),
        ("N8N_BASE_URL", "http:/n8n.example.com", "slashes"),
        ("N8N_BASE_URL", "https://", "host"),
        ("N8N_BASE_URL", "my n8n", "host"),
        ("N8N_BASE_URL", "https://n8n.example.com:99999", "address"),
        ("N8N_EDITOR_URL", "https://..", "host"),
        ("N8N_API_KEY", "abc def", "space"),
        ("N8N_API_KEY", "schlüssel", "character"),
        ("N8N_API_KEY", "******Wxyz", "shortened"),
        ("N8N_HEADERS", "just a text", "Name: value"),
        ("N8N_HEADERS", '{"a": 1}', "JSON"),
        ("N8N_HEADERS", "X-A: ü", "X-A"),
        ("N8N_HEADERS", '{"a b": "c"}', "names"),
        ("N8N_CA_FILE", "missing.pem", "missing.pem"),
        ("N8N_API_PREFIX", "https://x", "path"),
        ("WORKFLOW_ID_WHATSAPP", "https://n8n.example.com/workflow/new", "workflow id"),
        ("WORKFLOW_ID_WHATSAPP", "not/an/id", "workflow id"),
        ("WORKFLOW_ID_WHATSAPP", ",", "no id"),
        ("MONGODB_URI", "postgres://h", "mongodb://"),
        ("MONGODB_URI", "mongodb://u:<db_password>@h", "placeholder"),
        ("MONGODB_URI", "mongodb://", "host"),
        ("MONGODB_DATABASE", "admin", "admin"),
        ("MONGODB_DATABASE", "Local", "own database"),
        ("MONGODB_DATABASE", "config", "config"),
        ("MONGODB_DATABASE", "a$b", "$"),
        ("MONGODB_DATABASE", "a\0b", "database name"),
        ("MONGODB_STATUS_COLLECTION", "$cmd", "$"),
        ("MONGODB_SENDS_COLLECTION", "a\0b", "collection name"),
        ("MONGODB_CONVERSATIONS_COLLECTION", "system.users", "system."),
        ("TICKTRAIL_STORE", "postgres://h/db", "MongoDB"),
        ("TICKTRAIL_TIMEZONE", "Asia/Riyad", "Asia/Riyadh"),
        ("TICKTRAIL_TIMEZONE", "UTC+3", "offset"),
        ("TICKTRAIL_TIMEZONE", "../../etc/passwd", "time zone"),
        ("TICKTRAIL_TIMEZONE", "Asia", "time zone"),
        ("GENERIC_TIMEZONE", "Nowhere", "time zone"),
        ("TICKTRAIL_HEARTBEAT_URL", "hc-ping.com/x", "web address"),
        ("TICKTRAIL_INSTANCE", "x" * 65, "label"),
        ("TICKTRAIL_CONFIG", "missing.toml", "missing.toml"),
    ],
)
@pytest.mark.parametrize("place", ["the environment", ".env"])
def test_a_malformed_setting_names_itself(tmp_path: Path, name: str, value: str, said: str, place: str) -> None:
    """The message has the name, what is wrong and where it stood; the remedy shows a good one."""
    error = refusal(tmp_path, f"{name}='{value}'") if place == ".env" else refusal(tmp_path, **{name: value})
    assert name in str(error)
    assert said in str(error)
    assert place in str(error)
    assert SETTINGS[name].example in error.remedy
    assert error.exit_code == 2


def test_a_mistyped_name_in_the_environment_is_reported(tmp_path: Path) -> None:
    """Only names that begin with ``TICKTRAIL_`` are checked, because other programs use names like ``MONGODB_URL``."""
    settings = load(tmp_path, TICKTRAIL_STOR="a.sqlite", MONGODB_URL="x", N8N_APIKEY="x", TICKTRAIL_CHAT_URL="x")
    assert settings.warnings == ("TICKTRAIL_STOR in the environment is not a setting. Did you mean TICKTRAIL_STORE?",)


def test_a_secret_in_an_endless_file_is_refused(tmp_path: Path) -> None:
    """A device that never ends must not fill the memory."""
    (tmp_path / "key").write_bytes(b"x" * 2_000_000)
    assert "too large" in str(refusal(tmp_path, N8N_API_KEY_FILE="key"))


def test_a_malformed_argument_is_named_as_the_argument(tmp_path: Path) -> None:
    """The error names the option that was typed."""
    with pytest.raises(ConfigurationError, match=r"^--store cannot be used: .* It came from the command line"):
        load_settings({"TICKTRAIL_STORE": "postgres://h"}, {}, tmp_path)


def test_half_a_basic_auth_is_refused(tmp_path: Path) -> None:
    """User and password come together."""
    assert "N8N_BASIC_PASS" in str(refusal(tmp_path, N8N_BASIC_USER="u"))
    assert "N8N_BASIC_USER" in str(refusal(tmp_path, N8N_BASIC_PASS="p"))  # noqa: S106


def test_one_collection_for_two_things_is_refused(tmp_path: Path) -> None:
    """Statuses, sends and conversations are kept apart."""
    assert "message_sends" in str(refusal(tmp_path, MONGODB_STATUS_COLLECTION="message_sends"))


def test_a_windows_path_that_double_quotes_broke_is_explained(tmp_path: Path) -> None:
    """In double quotes, .env takes a backslash and n for a line break."""
    assert "double quotes" in str(refusal(tmp_path, 'N8N_CA_FILE="C:\\new\\ca.pem"'))


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, ["N8N_BASE_URL", "N8N_API_KEY", "WORKFLOW_ID_WHATSAPP"]),
        ({"N8N_BASE_URL": "https://h.example"}, ["N8N_API_KEY", "WORKFLOW_ID_WHATSAPP"]),
        ({"N8N_BASE_URL": "https://h.example", "WORKFLOW_ID_WHATSAPP": "a"}, ["N8N_API_KEY"]),
        ({"N8N_BASE_URL": "https://h.example", "N8N_API_KEY": "k"}, ["WORKFLOW_ID_WHATSAPP"]),
    ],
)
def test_what_is_missing_is_asked_for_when_needed(tmp_path: Path, environ: dict[str, str], missing: list[str]) -> None:
    """Loading does not need n8n; asking for it names all that is missing, and what to type."""
    settings = load(tmp_path, **environ)
    with pytest.raises(ConfigurationError) as caught:
        settings.require_n8n()
    assert [
        name for name in ("N8N_BASE_URL", "N8N_API_KEY", "WORKFLOW_ID_WHATSAPP") if name in str(caught.value)
    ] == missing
    assert "ticktrail init" in caught.value.remedy


def test_what_is_complete_is_handed_out(tmp_path: Path) -> None:
    """A key, basic auth alone or headers alone are a way in; the workflow may be waived."""
    ways = ({"N8N_API_KEY": "k"}, {"N8N_BASIC_USER": "u", "N8N_BASIC_PASS": "p"}, {"N8N_HEADERS": "A: b"})
    for way in ways:
        settings = load(tmp_path, N8N_BASE_URL="https://h.example", **way)
        assert settings.require_n8n(workflow=False) is settings.n8n


# --- what is never shown


def test_no_secret_shows(tmp_path: Path) -> None:
    """Neither repr nor str of settings, nor of any part of them, has a key, a password or a token."""
    settings = load(
        tmp_path,
        N8N_BASE_URL="https://user:s3cret1@n8n.example.com",
        N8N_API_KEY="s3cret2",
        N8N_HEADERS="X-Door: s3cret3",
        MONGODB_URI="mongodb://user:s3cret4@h1,h2/db?authMechanismProperties=AWS_SESSION_TOKEN:s3cret5",
        TICKTRAIL_HEARTBEAT_URL="https://hc-ping.com/s3cret6",
    )
    shown = f"{settings!r} {settings} {settings.n8n!r} {settings.store_url} {settings.heartbeat_url}"
    assert "s3cret" not in shown
    assert str(settings.store_url) == "mongodb://h1,h2/db"
    assert str(settings.heartbeat_url) == "https://hc-ping.com/…"


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://u:s3cret@h/db",
        "mongodb://u:s3c@s3cret@h/db",
        "mongodb://u:s3cret?x@h/db",
        "mongodb://u:s3cret/x@h/db",
        "mongodb://h/db?tlsCertificateKeyFilePassword=s3cret",
        "mongodb+srv://u:s3cret@h",
    ],
)
def test_a_uri_never_shows_its_password(tmp_path: Path, uri: str) -> None:
    """Even a password that should have been escaped is cut off."""
    for name in ("MONGODB_URI", "TICKTRAIL_STORE"):
        settings = load(tmp_path, **{name: uri})
        assert "s3c" not in f"{settings!r} {settings.store_url}"
        assert settings.store_url.reveal() == uri


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("N8N_API_KEY", "s3cret s3cret"),
        ("N8N_HEADERS", "s3cret"),
        ("MONGODB_URI", "s3cret://u:s3cret@h"),
        ("TICKTRAIL_STORE", "redis://u:s3cret@h"),
        ("TICKTRAIL_HEARTBEAT_URL", "s3cret"),
        ("N8N_BASE_URL", "ftp://u:s3cret@h"),
        ("N8N_BASE_URL", "n8n_api_s3cret s3cret"),
        ("WORKFLOW_ID_WHATSAPP", "eyJhbGciOiJIUzI1NiJ9.s3cret.s3cret"),
    ],
)
def test_a_refusal_never_repeats_a_secret(tmp_path: Path, name: str, value: str) -> None:
    """Not even a secret in the wrong setting is shown."""
    error = refusal(tmp_path, **{name: value})
    assert "s3cret" not in f"{error!r} {error} {error.remedy} {''.join(traceback.format_exception(error))}"
    assert error.__suppress_context__, "what the parser said would be printed too"


def test_a_secret_compares_by_its_text() -> None:
    """Two secrets are equal when their texts are; a secret is never equal to a text."""
    assert Secret("a") == Secret("a", "shown")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_loading_settings_loads_no_driver(tmp_path: Path) -> None:
    """Reading settings costs neither the HTTP client nor a database driver, nor what only .env needs."""
    code = "import sys; from pathlib import Path; from ticktrail.settings.loading import load_settings; "
    code += f"load_settings({{'TICKTRAIL_STORE': 'x'}}, {{}}, Path({str(tmp_path)!r})); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"httpx2", "pymongo", "dotenv", "platformdirs", "stamina", "sqlite3"} & set(loaded) == set()
