"""The campaign that a label names."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticktrail.messages.campaign import campaign_of

DEEP = '{"k":' * 100_000


@pytest.mark.parametrize(
    ("label", "campaign"),
    [
        ('{"k": "spring"}', "spring"),
        (' {"k": "spring", "tenant": 7}', "spring"),
        ('{"\\u006b": "spr\\u0069ng"}', "spring"),
        ('{"k": 7}', "7"),
        ('{"k": -1.50}', "-1.50"),
        ('{"k": 123456789012345678901234567890}', "123456789012345678901234567890"),
        ('{"k": true}', "true"),
        ('{"k": false }', "false"),
        ('{"k": "a", "k": "b"}', "b"),
        ('{"k": "null"}', "null"),
        ('{"k": "{"}', "{"),
        ('{"k": null}', None),
        ('{"k": ""}', None),
        ('{"k": ["spring"]}', None),
        ('{"k": {"k": "spring"}}', None),
        ('{"other": {"k": "spring"}}', None),
        ('["k"]', '["k"]'),
        ("{k: spring}", "{k: spring}"),
        ('{"k": "\\ud83d"}', '{"k": "\\ud83d"}'),
        ("spring", "spring"),
        (DEEP, DEEP),
        ("{" * 100_000, "{" * 100_000),
        (None, None),
    ],
)
def test_a_campaign_is_a_label_or_a_key_in_it(label: str | None, campaign: str | None) -> None:
    """A JSON object's key where the label is one; any other text is the campaign itself."""
    assert campaign_of(label, "k") == campaign


def test_without_a_key_the_label_is_the_campaign() -> None:
    """Nothing is read out of a label unless the user says which key holds the campaign."""
    assert campaign_of('{"k": "spring"}', None) == '{"k": "spring"}'


@given(st.text(), st.text())
def test_no_label_breaks_it(label: str, key: str) -> None:
    """Labels come from the user's workflow: any text is read without an error."""
    assert campaign_of(json.dumps({key: label}), key) == (label or None)
    if not label.lstrip().startswith("{"):
        assert campaign_of(label, key) == label
    broken = "{" + label
    try:
        json.loads(broken)
    except ValueError:
        assert campaign_of(broken, key) == broken
