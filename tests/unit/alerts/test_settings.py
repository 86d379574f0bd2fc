"""Alert settings in ``ticktrail.toml``, and the errors for invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from ticktrail.alerts.settings import AlertSettings, read_alert_settings
from ticktrail.errors import ConfigurationError
from ticktrail.settings.alert_rules import Rules
from ticktrail.settings.channels import Channel
from ticktrail.settings.loading import load_settings
from ticktrail.settings.secret import Secret

SECRET = "0123456789abcdef"  # noqa: S105 - an invented one


def read(tmp_path: Path, text: str, **environ: str) -> AlertSettings:
    """The settings of a file that says this."""
    (tmp_path / "ticktrail.toml").write_text(text, encoding="utf-8")
    return read_alert_settings(load_settings({}, {}, tmp_path), environ)


def test_without_a_file_the_usual_rules_hold(tmp_path: Path) -> None:
    """The default thresholds, and no channel."""
    own = read_alert_settings(load_settings({}, {}, tmp_path), {})
    assert own.user_file.rules == Rules()
    assert own.channels == ()


def test_everything_can_be_set(tmp_path: Path) -> None:
    """Durations as people write them, shares, spans of the day; each lands where it belongs."""
    own = read(
        tmp_path,
        """
        [alerts]
        window = "12h"
        at_least = 50
        rate = 0.2
        stuck_after = "1d12h"
        stuck_rate = 1
        delivery_drop = 0.05
        silence_after = "90m"
        silence_factor = 2
        sync_after = "10m"
        remind_after = "24h"
        off = ["silence", 131049, "stuck-a1b2c3"]
        quiet = "22:30 - 7:00"
        [alerts.rates]
        131026 = 0.3
        [numbers]
        "1065" = "Support"
        [error_codes.131026]
        alert = "never"
        """,
    )
    assert own.user_file.rules == Rules(
        window=12 * 3_600,
        at_least=50,
        rate=0.2,
        rates={"131026": 0.3},
        stuck_after=36 * 3_600,
        stuck_rate=1.0,
        delivery_drop=0.05,
        silence_after=5_400,
        silence_factor=2.0,
        sync_after=600,
        remind_after=86_400,
        off=frozenset({"silence", "131049", "stuck-a1b2c3"}),
        quiet=(22 * 60 + 30, 7 * 60),
    )
    assert own.user_file.numbers == {"1065": "Support"}
    assert own.user_file.failure_codes.lookup(131026).alert == "never"


def test_channels_may_keep_their_secrets_elsewhere(tmp_path: Path) -> None:
    """In the file, in the environment, or in a file beside it; names are made up where none is given."""
    (tmp_path / "chat url").write_text("slack://token-a/token-b/token-c\n", encoding="utf-8")
    own = read(
        tmp_path,
        f"""
        [[channels]]
        webhook = "https://n8n.example.com/webhook/ticktrail?key=abc"
        secret_env = "HOOK_SECRET"
        [[channels]]
        url_file = "chat url"
        [[channels]]
        name = "post"
        webhook_env = "HOOK"
        secret = "{SECRET}"
        """,
        HOOK_SECRET=f" {SECRET} ",
        HOOK="http://127.0.0.1:9/x",
    )
    assert own.channels == (
        Channel(
            name="https-n8n.example.com",
            kind="webhook",
            url=Secret("https://n8n.example.com/webhook/ticktrail?key=abc"),
            secret=Secret(SECRET),
        ),
        Channel(name="slack", kind="apprise", url=Secret("slack://token-a/token-b/token-c")),
        Channel(name="post", kind="webhook", url=Secret("http://127.0.0.1:9/x"), secret=Secret(SECRET)),
    )
    shown = repr(own)
    assert SECRET not in shown
    assert "token-a" not in shown
    assert "key=abc" not in shown


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("alerts = 7", "[alerts]"),
        ("[alerts]\nstuk_after = '24h'", "Did you mean stuck_after?"),
        ("[alerts]\nwindow = '24'", "window"),
        ("[alerts]\nwindow = 24", "window"),
        ("[alerts]\nwindow = '59s'", "window"),
        ("[alerts]\nwindow = '31d'", "window"),
        ("[alerts]\nrate = 0", "rate"),
        ("[alerts]\nrate = 10", "0.1 is 10 %"),
        ("[alerts]\nrate = true", "rate"),
        ("[alerts]\nat_least = 0", "at_least"),
        ("[alerts]\nat_least = 2.5", "at_least"),
        ("[alerts]\nsilence_factor = 0.5", "silence_factor"),
        ("[alerts]\nrates = 0.3", "[alerts.rates]"),
        ("[alerts.rates]\n131049 = 30", "rates 131049"),
        ("[alerts]\noff = 'silence'", "off"),
        ("[alerts]\noff = ['a b']", "kinds of alerts"),
        ("[alerts]\nquiet = '22-7'", "22:00-07:00"),
        ("[alerts]\nquiet = '25:00-07:00'", "22:00-07:00"),
        ("[channels]\nurl = 'slack://a'", "two brackets"),
        ("[[channels]]\nname = 'x'", "number 1"),
        ("[[channels]]\nurl = 'slack://a'\nwebhook = 'https://b.example'", "either"),
        ("[[channels]]\nwebhook = 'ftp://b.example'", "web address"),
        ("[[channels]]\nwebhook = 'https://'", "web address"),
        ("[[channels]]\nurl = 'nonsense'", "Apprise"),
        ("[[channels]]\nurl = 7", "url is not a text"),
        ("[[channels]]\nurl_env = 'NOT_SET'", "NOT_SET"),
        ("[[channels]]\nurl_file = 'not there'", "not there"),
        ("[[channels]]\nurl = 'a://b'\nurl_env = 'X'", "both url and url_env"),
        ("[[channels]]\nurl = 'a://b'\nsecret = '0123456789abcdef'", "webhooks only"),
        ("[[channels]]\nwebhook = 'https://b.example'\nsecret = 'short'", "openssl"),
        ("[[channels]]\nurl = 'a://b'\nname = 7", "name"),
        ("[[channels]]\nurl = 'a://b'\n[[channels]]\nurl = 'a://c'", "name of its own"),
        ("[[channels]]\nuri = 'a://b'", "Did you mean url?"),
    ],
)
def test_a_malformed_setting_is_named_with_its_remedy(tmp_path: Path, text: str, named: str) -> None:
    """The file, the place in it, and what it should look like; never what may be secret."""
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    told = f"{caught.value} {caught.value.remedy}"
    assert "ticktrail.toml" in told
    assert named in told
    assert caught.value.remedy
    assert "short" not in str(caught.value).replace("shorter", "").replace("short text", "")
