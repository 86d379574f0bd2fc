"""``ticktrail.toml``: read once, checked whole, every error with its place and a suggestion."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.spellings import spellings

from ticktrail.errors import ConfigurationError
from ticktrail.settings.alert_rules import Rules
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import UserFile, dialling_region, late_sync_seconds, read_user_file


def settings_with(tmp_path: Path, text: str | None, **environ: str) -> Settings:
    """Return the settings of a folder whose ``ticktrail.toml`` has this text."""
    if text is not None:
        (tmp_path / "ticktrail.toml").write_text(text, encoding="utf-8")
    return load_settings({}, environ, tmp_path)


def read(tmp_path: Path, text: str) -> UserFile:
    """Read a file with this text."""
    return read_user_file(settings_with(tmp_path, text))


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    """No names, no channels, the usual rules, and the time zone's country."""
    settings = settings_with(tmp_path, None)
    assert read_user_file(settings) == UserFile()
    assert late_sync_seconds(settings) is None
    assert dialling_region(settings) == "SA"


@pytest.mark.parametrize("zone", [("UTC", None), ("Europe/Berlin", "DE"), ("Africa/Cairo", "EG")])
def test_the_time_zone_gives_the_country_unless_the_file_does(tmp_path: Path, zone: tuple[str, str | None]) -> None:
    """Numbers without a calling code are dialled where the user is."""
    name, country = zone
    assert dialling_region(settings_with(tmp_path, None, TICKTRAIL_TIMEZONE=name)) == country
    assert dialling_region(settings_with(tmp_path, 'region = " ae "', TICKTRAIL_TIMEZONE=name)) == "AE"


def test_every_table_is_read(tmp_path: Path) -> None:
    """Each part of the program takes its part from one value."""
    found = read(
        tmp_path,
        """
        campaign_key = "campaign"
        [numbers]
        "106540352242922" = "Support"
        [error_codes.131026]
        alert = "never"
        [alerts]
        sync_after = "10m"
        [[channels]]
        url = "slack://a/b/c"
        """,
    )
    assert found.campaign_key == "campaign"
    assert found.numbers == {"106540352242922": "Support"}
    assert found.failure_codes.lookup(131026).alert == "never"
    assert found.rules == Rules(sync_after=600)
    assert len(found.channels) == 1
    assert "slack" not in repr(found)


def test_the_documented_file_can_be_read(tmp_path: Path) -> None:
    """The example of the how-to sets what the text below it says."""
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "query-and-export.md").read_text(encoding="utf-8")
    found = read(tmp_path, page.split("```toml\n", 1)[1].split("```", 1)[0])
    assert (found.campaign_key, found.region) == ("campaign", "SA")
    assert found.numbers == {"15550000001": "Support", "966500000001": "Shop"}


@pytest.mark.parametrize("typed", spellings("966500000001"))
def test_names_of_numbers_are_found_however_the_number_is_pasted(tmp_path: Path, typed: str) -> None:
    """A number copied from a contact card brings invisible marks along."""
    quoted = typed.replace("\\", "\\\\").replace('"', '\\"')
    assert read(tmp_path, f'[numbers]\n"{quoted}" = " Shop "').numbers == {"966500000001": "Shop"}


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A dashboard that runs for weeks takes an edit without a restart."""
    settings = settings_with(tmp_path, 'campaign_key = "a"')
    assert read_user_file(settings).campaign_key == "a"
    assert read_user_file(settings) is read_user_file(settings)
    file = tmp_path / "ticktrail.toml"
    file.write_text('campaign_key = "b"', encoding="utf-8")
    os.utime(file, ns=(1, 1))
    assert read_user_file(settings).campaign_key == "b"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[alert]\nwindow = '1h'", "Did you mean alerts?"),
        ("campain_key = 'a'", "Did you mean campaign_key?"),
        ("colour = 1", "unknown table or key 'colour'"),
        ("campaign_key = 7", "campaign_key is not a text"),
        ("campaign_key = ' '", "campaign_key is not a text"),
        ("region = 966", "region is not a text"),
        ("numbers = 7", "[numbers] is not a table"),
        ("[numbers]\n'+' = 'Shop'", "is not a phone number"),
        ("[numbers]\n'1' = 7", "[numbers] '1' is not a text"),
        ("error_codes = 7", "error_codes"),
        ("[error_codes.131026]\nadvise = 'x'", "advise"),
        ("alerts = 7", "[alerts] is not a table"),
        ("[alerts]\nstuk_after = '24h'", "Did you mean stuck_after?"),
        ("[[channels]]\nuri = 'a://b'", "Did you mean url?"),
        ("[channels]\nurl = 'a://b'", "two brackets"),
        ("campaign_key = ", "is not TOML"),
    ],
)
def test_a_mistake_names_file_table_and_key(tmp_path: Path, text: str, says: str) -> None:
    """Whatever command reads the file first says what is wrong with it, and what was probably meant."""
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    told = f"{caught.value} {caught.value.remedy}"
    assert "ticktrail.toml" in told
    assert says in told
    assert caught.value.remedy


def test_a_file_that_cannot_be_used_leaves_the_late_threshold_alone(tmp_path: Path) -> None:
    """A health probe must not fail because of a typing mistake."""
    assert late_sync_seconds(settings_with(tmp_path, "[alert]")) is None
