"""The table of filter conditions is the only place that names a condition: every face is derived from it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ticktrail.cli.filter_options import with_conditions as with_options
from ticktrail.errors import ConfigurationError
from ticktrail.messages.filters import MessageFilter
from ticktrail.queries.condition import Condition, Kind
from ticktrail.queries.filter_conditions import MESSAGE_CONDITIONS, SEND_CONDITIONS
from ticktrail.queries.filter_parsing import parameter_name, parse_message_filter
from ticktrail.queries.filter_reference import reference_table
from ticktrail.settings.loading import load_settings
from ticktrail.web.api.parameters import Conditions
from ticktrail.web.api.parameters import with_conditions as with_parameters
from ticktrail.web.pages.url_filters import conditions_struct, query_of, read_conditions
from ticktrail.web.security.url_tokens import UrlTokens

ADDRESSES = UrlTokens(b"k" * 32)
COLOUR: Condition[MessageFilter] = Condition(
    name="ink_colour",
    help="Written in this colour",
    kind=Kind.TEXT,
    fields=("template",),
    apply=lambda _chosen, text, _context: MessageFilter(template=f"in {text}"),
    options=("--ink-colour",),
    metavar="COLOUR",
    address="ink-colour",
)
EXTENDED = (*MESSAGE_CONDITIONS, COLOUR)


def test_a_new_condition_is_an_option_of_the_command_line() -> None:
    """The option is in the help, and its value reaches the filter."""
    seen: list[MessageFilter] = []

    def command(*, choose: object) -> None:
        seen.append(choose(None))  # type: ignore[operator]

    app = typer.Typer(rich_markup_mode=None)
    app.command()(with_options(EXTENDED, MessageFilter(), command))
    runner = CliRunner()
    assert "Written in this colour" in runner.invoke(app, ["--help"]).stdout
    assert runner.invoke(app, ["--ink-colour", "green"]).exit_code == 0
    assert seen == [MessageFilter(template="in green")]


def test_a_new_condition_is_a_parameter_of_the_api() -> None:
    """The parameter is in the schema with its description, and its value is handed on."""

    class Chosen(Conditions):
        """Messages."""

    model = with_parameters(EXTENDED, paged=True)(Chosen)
    assert model.model_json_schema()["properties"]["ink_colour"]["description"] == "Written in this colour"
    assert model(ink_colour="green").given()["ink_colour"] == "green"  # type: ignore[call-arg]


def test_a_new_condition_is_part_of_addresses() -> None:
    """The condition is written into an address and read back."""
    kind = conditions_struct("Extended", EXTENDED, "/messages")
    choice = kind(ink_colour="green")
    assert query_of(choice, ADDRESSES) == "ink-colour=green"
    assert read_conditions(kind, {"ink-colour": ["green"]}, ADDRESSES) == choice


def test_a_new_condition_is_in_the_reference() -> None:
    """The reference names the option, the parameter and the address of each condition."""
    assert "| Written in this colour | `--ink-colour` | `ink_colour` | `ink-colour` |" in reference_table(EXTENDED)


def test_every_condition_has_one_name_per_face() -> None:
    """No two conditions of a table share a name, an option or an address."""
    for table in (MESSAGE_CONDITIONS, SEND_CONDITIONS):
        names = [one.name for one in table]
        options = [option for one in table for option in one.options]
        addresses = [one.address for one in table if one.address]
        for all_of_them in (names, options, addresses):
            assert len(set(all_of_them)) == len(all_of_them)


def test_every_field_of_a_filter_is_set_by_a_condition() -> None:
    """A filter has no field that no condition can set, but for the ending that ``message`` looks for."""
    assert {field for one in MESSAGE_CONDITIONS for field in one.fields} | {"not_statuses", "message_id_ending"} == set(
        MessageFilter.__struct_fields__
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"status": ("teleported",)}, "--status: 'teleported' is not a message status"),
        ({"since": "1h", "until": "2h"}, "--since is not before --until"),
        ({"wa_id": ""}, "--to: The value is empty"),
        ({"wa_id": " "}, "--to: The recipient is empty"),
        ({"error": ("-5",)}, "--error: '-5' is not a failure code"),
        ({"limit": "9" * 30}, "--limit"),
        ({"template": "/ar"}, "--template: There is no template name"),
        ({"status": ("read",), "unread": True}, "--unread: No message can match"),
        ({"sort": "sideways"}, "--sort: 'sideways' is not an order"),
        ({"after": "broken"}, "--after: This is not a valid cursor"),
    ],
)
def test_an_error_begins_with_the_condition_as_typed(tmp_path: Path, given: dict[str, object], said: str) -> None:
    """Every face validates alike; the message names the option, the API's parameter or the part of the address."""
    settings = load_settings({"TICKTRAIL_STORE": str(tmp_path / "a.db")}, {}, tmp_path)
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    with pytest.raises(ConfigurationError) as refused:
        parse_message_filter(given, settings, now)
    assert str(refused.value).startswith(said)
    assert refused.value.remedy
    with pytest.raises(ConfigurationError, match=next(iter(given))):
        parse_message_filter(given, settings, now, label=parameter_name)
