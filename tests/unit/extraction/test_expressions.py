"""Expressions of n8n: evaluated as n8n does where the answer is certain, unknown everywhere else."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ticktrail.extraction.expressions import evaluate, json_with_gaps
from ticktrail.extraction.javascript import GLOBALS
from ticktrail.extraction.javascript_values import UNDEFINED, UNKNOWN, Unknown

JSON: dict[str, Any] = {
    "phone": "966500000001",
    "number": 966500000001,
    "ratio": 1.5,
    "empty": "",
    "nothing": None,
    "yes": True,
    "messages": [{"from": "966500000002"}, {"from": "966500000003"}],
    "name with space": "Sara",
    "jid": "966500000004@s.whatsapp.net",
    "spaced": "+966 50 000-0005",
    "template": {"name": "order_update", "language": {"code": "en_US"}},
    "text": '{"a": [1, 2]}',
}


def names(name: str) -> Any:
    """The names of these tests: an item, and JavaScript's own."""
    if name == "$json":
        return JSON
    if name in GLOBALS:
        return GLOBALS[name]
    raise Unknown


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("966500000001", "966500000001"),
        ("{{ $json.phone }}", "{{ $json.phone }}"),
        ("=", ""),
        ("=966{{ $json.empty }}", "966"),
        ("={{ $json.phone }}", "966500000001"),
        ("={{$json.phone}}", "966500000001"),
        ("={{ $json.number }}", 966500000001),
        ("=+{{ $json.number }}", "+966500000001"),
        ("= {{ $json.phone }}", " 966500000001"),
        ("={{ $json.messages[0].from }}", "966500000002"),
        ("={{ $json.messages[1]['from'] }}", "966500000003"),
        ('={{ $json["messages"]["0"]["from"] }}', "966500000002"),
        ("={{ $json.messages.length }}", 2),
        ("={{ $json.messages.at(-1).from }}", "966500000003"),
        ("={{ $json.messages.last().from }}", "966500000003"),
        ("={{ $json['name with space'] }}", "Sara"),
        ("={{ $json.missing || $json.phone }}", "966500000001"),
        ("={{ $json.empty || $json.phone }}", "966500000001"),
        ("={{ $json.empty ?? $json.phone }}", ""),
        ("={{ $json.nothing ?? $json.phone }}", "966500000001"),
        ("={{ $json.yes && $json.phone }}", "966500000001"),
        ("={{ $json.yes ? 'a' : 'b' }}", "a"),
        ("={{ !$json.yes ? 'a' : 'b' }}", "b"),
        ("={{ $json.phone === '966500000001' ? 1 : 2 }}", 1),
        ("={{ $json.number == '966500000001' }}", True),
        ("={{ $json.missing == null }}", True),
        ("={{ $json.missing?.deeper.still }}", UNDEFINED),
        ("={{ $json.missing.deeper }}", UNDEFINED),
        ("={{ $json?.messages?.[0]?.from }}", "966500000002"),
        ("={{ '+' + $json.number }}", "+966500000001"),
        ("={{ $json.number + 1 }}", 966500000002),
        ("={{ +$json.phone }}", 966500000001),
        ("={{ `+${$json.number}!` }}", "+966500000001!"),
        ("={{ $json.number.toString() }}", "966500000001"),
        ("={{ String($json.number) }}", "966500000001"),
        ("={{ Number($json.phone) }}", 966500000001),
        ("={{ $json.jid.replace('@s.whatsapp.net', '') }}", "966500000004"),
        ("={{ $json.jid.split('@')[0] }}", "966500000004"),
        ("={{ $json.spaced.replace(/\\D/g, '') }}", "966500000005"),
        ("={{ $json.spaced.replace(/[^0-9]/g, '') }}", "966500000005"),
        ("={{ $json.spaced.replace(/[\\s+-]/g, '') }}", "966500000005"),
        ("={{ $json.spaced.replace(/^\\+/, '00') }}", "00966 50 000-0005"),
        ("={{ $json.spaced.replaceAll(' ', '').replace('+', '') }}", "96650000-0005"),
        ("={{ $json.phone.slice(3) }}", "500000001"),
        ("={{ $json.phone.slice(-4) }}", "0001"),
        ("={{ $json.phone.substring(0, 3) }}", "966"),
        ("={{ $json.phone.startsWith('966') ? $json.phone : '966' + $json.phone }}", "966500000001"),
        ("={{ ' a '.trim().toUpperCase() }}", "A"),
        ("={{ 'a\\u0041\\n' }}", "aA\n"),
        (
            "={{ {a: 1, 'b': $json.phone, [$json.empty + 'c']: [1, 'x']} }}",
            {"a": 1, "b": "966500000001", "c": [1, "x"]},
        ),
        ("={{ JSON.stringify({a: {b: {c: 1}}}) }}", '{"a":{"b":{"c":1}}}'),
        ("={{{a: {b: 1}}}}", {"a": {"b": 1}}),
        ("={{ $json.phone }}-{{ $json.yes ? {a: {b: 1}}.a.b : 2 }}", "966500000001-1"),
        ("={{ { ...$json.template, name: 'x' } }}", {"name": "x", "language": {"code": "en_US"}}),
        ("={{ [...$json.messages, 1].length }}", 3),
        ("={{ JSON.stringify($json.template) }}", '{"name":"order_update","language":{"code":"en_US"}}'),
        ("={{ JSON.stringify({to: $json.missing, a: 1.0}, null, 2) }}", '{"a":1}'),
        ("={{ JSON.parse($json.text).a[1] }}", 2),
        ("={{ $json.template.toJsonString() }}", '{"name":"order_update","language":{"code":"en_US"}}'),
        ("={{ encodeURIComponent($json.spaced) }}", "%2B966%2050%20000-0005"),
        ("={{ ['a', 'b'].join('|') }}", "a|b"),
        ("={{ [966, 5].includes(5) }}", True),
        ("={{ /* a comment */ $json.phone // and another\n }}", "966500000001"),
        ("=template {{ $json.template }}", 'template {"name":"order_update","language":{"code":"en_US"}}'),
    ],
)
def test_value(written: str, expected: Any) -> None:
    """The value is the one that n8n gives to the parameter."""
    found = evaluate(written, names)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "written",
    [
        "={{ $env.PHONE }}",
        "={{ $now.toISO() }}",
        "={{ $vars.phone || 'x' }}",
        "={{ other }}",
        "=to {{ $json.missing }}",
        "=to {{ $json.nothing }}",
        "={{ $json.phone.normalize() }}",
        "={{ $json.messages.map(m => m.from) }}",
        "={{ (() => 1)() }}",
        "={{ new Date() }}",
        "={{ $json.phone = 'x' }}",
        "={{ $json.phone; 1 }}",
        "={{ 1 }",
        "={{ ) ( }}",
        "={{ }}",
        "={{ await x }}",
        "={{ require('fs') }}",
        "={{ $json.constructor.constructor('return 1')() }}",
        "={{ $json.phone.match(/(a+)+$/) }}",
        "={{ $json.phone.replace(/(a+)+$/, '') }}",
        "={{ $json.phone.replace(/(?=9)/, '') }}",
        "={{ $json.phone.replace(/6/g, '$&$&') }}",
        "={{ $json.phone.replace(/6/g, x => x) }}",
        "={{ 'a' - 1 }}",
        "={{ '😀'.length }}",
        "={{ $json.messages === $json.messages }}",
        "={{ 'x'.padEnd(100000000) }}",
        "={{ '" + "x" * 30_000 + "' }}",
        "={{ " + "(" * 2_000 + "1" + ")" * 2_000 + " }}",
        "={{ " + "!" * 500 + "1 }}",
        "={{ " + " + ".join(["JSON.stringify($json)"] * 900) + " }}",
    ],
    ids=lambda written: written[:40],
)
def test_unknown(written: str) -> None:
    """An expression that is not certain is unknown: never guessed, never an error, and never slow."""
    began = time.thread_time()

    assert evaluate(written, names) in (UNKNOWN, UNDEFINED)
    assert time.thread_time() - began < 2


def test_undefined_is_not_unknown() -> None:
    """A member that the item does not have is known to be missing, so the alternative counts."""
    assert evaluate("={{ $json.constructor }}", names) is UNDEFINED
    assert evaluate("={{ $env.x ?? 'x' }}", names) is UNKNOWN


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('={"to": "{{ $json.phone }}", "n": {{ $json.number }}}', {"to": "966500000001", "n": 966500000001}),
        ('={"to": "{{ $env.X }}", "type": "text"}', {"to": None, "type": "text"}),
        ('={"to": "+{{ $env.X }}", "n": {{ $env.X }}}', {"to": None, "n": None}),
        ('={"to": "\\"{{ $env.X }}\\""}', {"to": None}),
        ("={broken {{ $env.X }}", None),
    ],
)
def test_json_with_gaps(written: str, expected: Any) -> None:
    """In a JSON body the texts with unknown parts are null, and the others are what was sent."""
    assert json_with_gaps(written, names) == expected
