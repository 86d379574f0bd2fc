"""Requests of nodes: to whom they went, and whether their answers are proof of a send."""

from __future__ import annotations

from typing import Any

import pytest

from ticktrail.extraction.javascript_values import Unknown
from ticktrail.extraction.sent_request import SentRequest, read_request
from ticktrail.extraction.workflow import Node
from ticktrail.messages.model import Template

ITEM = {
    "to": "966500000001",
    "link": "https://evil.example/a",
    "host": "evil.example",
    "base": "https://graph.facebook.com",
}
BODY = '={"messaging_product": "whatsapp", "to": "{{ $json.to }}"}'


def names(name: str) -> Any:
    """The names of these tests: one item."""
    if name == "$json":
        return ITEM
    raise Unknown


def sent(kind: str = "n8n-nodes-base.httpRequest", failure: object = None, **parameters: Any) -> SentRequest:
    """Resolve the request of a node of this type with these parameters."""
    return read_request(Node(name="Send", type=kind, parameters=parameters), names, failure)


@pytest.mark.parametrize(
    "url",
    [
        "https://graph.facebook.com/v24.0/2/messages",
        "=https://graph.facebook.com/v24.0/{{ $json.id }}/messages",
        "={{ $json.base }}/v24.0/2/messages",
        "={{ $json.base + '/v24.0/2/messages' }}",
        "https://GRAPH.facebook.com:443/v24.0/2/messages?x=1",
        "https://waba-v2.360dialog.io/messages",
        "https://live-mt-server.wati.io/1/api/v1/sendTemplateMessage",
    ],
)
def test_request_to_a_known_host(url: str) -> None:
    """The answer of Meta, or of a provider that passes Meta's answers on, is proof."""
    assert sent(url=url).accepts()


@pytest.mark.parametrize(
    "url",
    [
        "={{ $json.link }}",
        "={{ $fromAI('url') }}",
        "=https://{{ $json.host }}/messages",
        "=https://graph.facebook.com{{ $json.host }}/messages",
        "https://graph.facebook.com.evil.example/messages",
        "https://graph.facebook.com@evil.example/messages",
        "https://evil.example\\@graph.facebook.com/messages",
        "https://evil.example/graph.facebook.com/messages",
        "https://evil.example?graph.facebook.com",
        "https://notfacebook.com/messages",
        "{address}",
        "graph.facebook.com",
        "",
        7,
    ],
)
def test_request_to_another_host(url: object) -> None:
    """The answer of a server that the data names, or that only looks like Meta's, is none."""
    assert not sent(url=url).accepts()
    assert not sent(url=url, method="POST").can_be_refused()
    if isinstance(url, str) and not url.startswith("https://"):
        assert not sent(url=url, method="POST", jsonBody=BODY).accepts()


def test_request_to_a_server_of_the_author() -> None:
    """A relay that the author wrote out is believed when the body was for a person."""
    url = "https://relay.example.com/send"

    assert sent(url=url, method="POST", jsonBody=BODY).accepts()
    assert sent(url=url, method="POST", jsonBody=BODY).can_be_refused()
    assert not sent(url=url, method="GET", jsonBody=BODY).accepts()
    assert not sent(url=url, jsonBody=BODY).accepts()
    assert not sent(url=url, method="POST", jsonBody='={"url": "{{ $json.link }}"}').accepts()


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (BODY, True),
        ('{"messaging_product": "whatsapp", "recipient": "SA.9001"}', True),
        ('{"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.IN"}', False),
        ('{"to": "966500000001"}', False),
        (None, True),
    ],
)
def test_refused_requests(body: str | None, refused: bool) -> None:  # noqa: FBT001
    """The body decides whether a refused request was a send; an unknown body leaves that to the URL."""
    messages = sent(url="https://graph.facebook.com/v24.0/2/messages", method="POST", jsonBody=body)
    media = sent(url="https://graph.facebook.com/v24.0/2/media", method="POST", jsonBody=body)

    assert messages.can_be_refused() == refused
    assert media.can_be_refused() == (refused and body is not None)


def test_kept_request_goes_before_the_parameters() -> None:
    """The request that n8n keeps in a failure is what was sent."""
    kept = {"uri": "https://graph.facebook.com/v24.0/2/messages", "method": "POST", "body": {"to": "966500000009"}}
    found = sent(url="={{ $json.link }}", jsonBody=BODY, failure={"context": {"request": kept}})

    assert (found.recipient, found.request.to_known_host) == ("966500000009", True)


@pytest.mark.parametrize(
    ("parameters", "recipient", "template"),
    [
        ({"recipientPhoneNumber": "+966 (50) 000-0001", "template": "a|ar"}, "966 50 0000001", Template("a", "ar")),
        ({"recipientPhoneNumber": "={{ $json.to }}", "operation": "send", "template": "a|ar"}, "966500000001", None),
        ({"recipientPhoneNumber": {"__rl": True, "value": "={{ $json.to }}"}}, "966500000001", None),
        ({"template": {"__rl": True, "value": "a|ar", "mode": "list"}}, None, Template("a", "ar")),
        ({"recipientPhoneNumber": "={{ $json.missing }}"}, None, None),
        ({"recipientPhoneNumber": ["x"], "template": 7}, None, None),
    ],
)
def test_whatsapp_node(parameters: dict[str, Any], recipient: str | None, template: Template | None) -> None:
    """A WhatsApp node names recipient and template in its parameters."""
    found = sent("n8n-nodes-base.whatsApp", **parameters)

    assert (found.recipient, found.template, found.accepts()) == (recipient, template, True)


@pytest.mark.parametrize(
    "parameters",
    [
        {"jsonBody": '={"to": "{{ $json.to }}", "template": {"name": "a", "language": {"code": "ar"}}}'},
        {"jsonBody": "={{ {to: $json.to, template: {name: 'a', language: {code: 'ar'}}} }}"},
        {"body": {"to": "966500000001", "template": {"name": "a", "language": "ar"}}},
        {"bodyParametersJson": '{"to": 966500000001, "template": {"name": "a", "language": {"code": "ar"}}}'},
        {
            "bodyParametersUi": {
                "parameter": [
                    {"name": "to", "value": "={{ $json.to }}"},
                    {"name": "template", "value": '{"name": "a", "language": {"code": "ar"}}'},
                ]
            }
        },
        {"options": {"queryParametersJson": '{"to": "966500000001", "template": {"name": "a", "language": "ar"}}'}},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_bodies(parameters: dict[str, Any]) -> None:
    """However the body was written, it names recipient and template."""
    found = sent(url="https://graph.facebook.com/v24.0/2/messages", **parameters)

    assert (found.recipient, found.template) == ("966500000001", Template("a", "ar"))
