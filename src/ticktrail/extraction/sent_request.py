"""Resolve what a node sent: to which host, with which recipient and which template.

The request that n8n keeps in a failure is believed first. Otherwise the node's parameters are resolved for the item:
literals and expressions, however the body was built. What cannot be resolved is left out.

Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ticktrail.extraction.expressions import evaluate, json_with_gaps
from ticktrail.extraction.javascript_values import UNDEFINED, UNKNOWN
from ticktrail.extraction.trust import has_literal_host
from ticktrail.extraction.workflow import Node, short_type
from ticktrail.messages.model import Template
from ticktrail.text.sanitizing import clean_text

_META_HOSTS = ("graph.facebook.com", "graph.whatsapp.com")

_PROVIDER_HOSTS = (
    *("360dialog.io", "gupshup.io", "kapso.ai", "ycloud.com", "wati.io", "interakt.ai", "turn.io", "twilio.com"),
    *("messagebird.com", "bird.com", "infobip.com", "nexmo.com", "vonage.com", "sinch.com", "aisensy.com"),
    *("chakrahq.com", "whapi.cloud", "karix.io", "kaleyra.io", "zoko.io", "respond.io", "pinbot.ai", "wasapi.io"),
)

_KNOWN_HOST = re.compile(rf"(?<![a-z0-9-])(?:{'|'.join(map(re.escape, (*_META_HOSTS, *_PROVIDER_HOSTS)))})")

_HTTP_NODES = frozenset(
    {"httprequest", "httprequesttool", "toolhttprequest", "facebookgraphapi", "facebookgraphapitool"}
)

_RECIPIENTS = ("to", "recipient")
"""Names of the recipient in Meta's API: a number, or a business-scoped user id."""

_RELAY_RECIPIENTS = (*_RECIPIENTS, "phone", "phoneNumber", "phone_number", "number", "mobile", "wa_id", "chatId", "jid")
"""Names of the recipient in the requests of relays and back-ends."""

_SHORTEST_NUMBER = 4

_SENDING_NODES = re.compile(r"whatsapp|kapso|gupshup|360dialog|ycloud|interakt|wati\b|evolution|waha|whapi")
"""Types of nodes that send WhatsApp messages through Meta or a known provider."""

_NODE_RECIPIENTS = ("recipientPhoneNumber", "to", "recipient", "phoneNumber", "recipientPhone", "phone", "number")

_NOT_SENT = re.compile(r"[-()+]")
"""n8n's WhatsApp node takes these characters out of the recipient before it sends."""

_SEND_PATHS = ("/messages", "/marketing_messages")

_SEND_PATH = re.compile(r"/(?:messages|send\w*)/?\Z", re.IGNORECASE)
"""Ends of the paths at which providers take messages."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a node.

    Attributes:
        address: the URL, or None when it is unknown.
        given: the node names an address at all. One that does not cannot have asked another server.
        literal_host: the workflow's author wrote the host, so no item decides who is asked.
        body: what was sent, as far as it is known; texts with an unknown part are None.
        method: in upper case, None when the node does not say.
    """

    address: str | None = None
    given: bool = False
    literal_host: bool = False
    body: Mapping[str, Any] | None = None
    method: str | None = None

    @property
    def to_known_host(self) -> bool:
        """True when it went to Meta, or was sent to a provider that passes Meta's answers on.

        What a provider returns to a GET may be a customer's message or file.
        """
        host = _host(self.address)
        if host is None:
            return False
        sends = self.writes or _SEND_PATH.search((self.address or "").partition("?")[0]) is not None
        return _belongs(host, _META_HOSTS) or (sends and _belongs(host, _PROVIDER_HOSTS))

    @property
    def writes(self) -> bool:
        """True when its method changes something. n8n leaves the method out when it is GET."""
        return self.method not in (None, "GET", "HEAD")

    @property
    def names_recipient(self) -> bool:
        """True when the body names a recipient."""
        return self.body is not None and any(name in self.body for name in _RECIPIENTS)

    @property
    def sends_by_body(self) -> bool:
        """True when the body is that of a message to a person."""
        return self.body is not None and self.body.get("messaging_product") == "whatsapp" and self.names_recipient


class SentRequest(msgspec.Struct, frozen=True):
    """Request, recipient and template of one item of a sending node."""

    node: Node
    request: Request
    recipient: str | None
    template: Template | None

    @property
    def is_whatsapp_node(self) -> bool:
        """True when the node sends by its type."""
        return is_whatsapp_node(self.node)

    @property
    def went_to_meta(self) -> bool:
        """True when it went to Meta, or to a provider that passes Meta's answers on."""
        return self.is_whatsapp_node or not self.request.given or self.request.to_known_host

    def accepts(self) -> bool:
        """Return whether an answer in Meta's form is proof that Meta accepted a message."""
        return self.went_to_meta or self.went_to_relay

    def can_be_refused(self) -> bool:
        """Return whether the node was sending a message, rather than uploading a file or marking one as read."""
        if self.is_whatsapp_node:
            return True
        if self.request.body is not None:
            if not self.request.sends_by_body:
                return False
            return self.went_to_meta or self.went_to_relay
        path = (self.request.address or "").partition("?")[0].rstrip("/")
        return self.request.to_known_host and path.endswith(_SEND_PATHS)

    @property
    def went_to_relay(self) -> bool:
        """True when it went to a server of the author's own choice, with a message for a person.

        A server whose address looks like Meta's, or a provider's, and is not theirs is no such server.
        """
        body = self.request.body or {}
        for_a_person = any(name in body and _may_be_recipient(body[name]) for name in _RELAY_RECIPIENTS)
        own = self.request.literal_host and not _looks_known(self.request.address)
        return own and self.request.writes and for_a_person


def _may_be_recipient(value: object) -> bool:
    """Return whether a value may be a number or a user id. The language to translate ``to`` is none."""
    return value is None or (isinstance(value, (str, int)) and len(re.findall(r"\d", str(value))) >= _SHORTEST_NUMBER)


def is_whatsapp_node(node: Node) -> bool:
    """Return whether a node sends WhatsApp messages by its type."""
    parameters = node.parameters if isinstance(node.parameters, dict) else {}
    sends = _SENDING_NODES.search(node.type.lower()) is not None and "trigger" not in short_type(node.type)
    return sends and parameters.get("resource") != "media"


def is_sending_node(node: Node) -> bool:
    """Return whether a node can send: a WhatsApp node, or one that makes HTTP requests."""
    return not node.disabled and (short_type(node.type) in _HTTP_NODES or is_whatsapp_node(node))


def waits_for_reply(node: Node) -> bool:
    """Return whether a node sends and waits: it puts out its input, and then what the person answered."""
    parameters = node.parameters if isinstance(node.parameters, dict) else {}
    return parameters.get("operation") == "sendAndWait"


def response_key(node: Node) -> str | None:
    """Return the key under which an HTTP node puts a response as text, or None for n8n's usual one."""
    holder: Any = node.parameters
    for name in ("options", "response", "response"):
        holder = holder.get(name) if isinstance(holder, dict) else None
    named = holder.get("outputPropertyName") if isinstance(holder, dict) else None
    if named is None and isinstance(node.parameters, dict):
        named = node.parameters.get("dataPropertyName")
    return named if isinstance(named, str) else None


def is_code_for_meta(node: Node) -> bool:
    """Return whether a node runs code of the workflow's author that names Meta's API."""
    parameters = node.parameters if isinstance(node.parameters, dict) else {}
    written = (parameters.get(name) for name in ("jsCode", "pythonCode", "functionCode"))
    return any(isinstance(code, str) and "graph.facebook.com" in code for code in written)


def read_request(node: Node, names: Callable[[str], Any], failure: object = None) -> SentRequest:
    """Return what a node sent for one item.

    Args:
        names: the names of n8n's expressions for this item.
        failure: the error of the item or run, in which n8n keeps the request.
    """
    parameters = node.parameters if isinstance(node.parameters, dict) else {}
    request = _request(node, parameters, names, failure)
    recipient = template = None
    if request.body is not None:
        recipient = next((text for name in _RECIPIENTS if (text := _text(request.body.get(name)))), None)
        template = _template(request.body.get("template"))
    elif is_whatsapp_node(node):
        recipient = next(
            (text for name in _NODE_RECIPIENTS if (text := _text(_resolve(parameters.get(name), names)))), None
        )
        if recipient is not None and short_type(node.type) in ("whatsapp", "whatsapptool"):
            recipient = _NOT_SENT.sub("", recipient) or None
    if template is None and is_whatsapp_node(node):
        template = _node_template(parameters, names)
    return SentRequest(node, request, recipient, template)


def _request(node: Node, parameters: dict[str, Any], names: Callable[[str], Any], failure: object) -> Request:
    context = failure.get("context") if isinstance(failure, dict) else None
    kept = context.get("request") if isinstance(context, dict) else None
    kept = kept if isinstance(kept, dict) else {}
    body = kept.get("body")
    body = json_or_none(body) if isinstance(body, str) else body
    method = kept.get("method") or parameters.get("method") or parameters.get("requestMethod")
    address = next((kept[name] for name in ("uri", "url") if isinstance(kept.get(name), str)), None)
    written = parameters.get("url")
    if short_type(node.type).startswith("facebookgraphapi"):
        written = f"https://graph.facebook.com/{_resolve(parameters.get('edge'), names) or ''}"
    if address is None and isinstance(written, str):
        resolved = evaluate(written, names)
        address = resolved if isinstance(resolved, str) else _literal_part(written)
    return Request(
        address=address,
        given=address is not None or written is not None,
        literal_host=isinstance(written, str) and has_literal_host(written),
        body=body if isinstance(body, dict) else _written_body(parameters, names),
        method=method.upper() if isinstance(method, str) else None,
    )


def _literal_part(written: str) -> str | None:
    """Return the beginning of a URL up to its first expression, when that names the host."""
    return written.removeprefix("=").strip().partition("{{")[0] if has_literal_host(written) else None


def _written_body(parameters: dict[str, Any], names: Callable[[str], Any]) -> dict[str, Any] | None:
    """Return the body that the node's parameters make for this item."""
    options = parameters.get("options")
    queried = options.get("queryParametersJson") if isinstance(options, dict) else None
    written = [parameters.get(name) for name in ("jsonBody", "body", "bodyParametersJson")]
    for value in (*written, queried):
        body = value
        if isinstance(value, str):
            body = evaluate(value, names)
            body = json_with_gaps(value, names) if body is UNKNOWN else body
        if isinstance(body, str):
            body = json_or_none(body)
        if isinstance(body, dict):
            return body
    for group, fields in (
        ("bodyParameters", "parameters"),
        ("bodyParametersUi", "parameter"),
        ("parametersBody", "values"),
    ):
        holder = parameters.get(group)
        pairs = holder.get(fields) if isinstance(holder, dict) else None
        named = [pair for pair in pairs if isinstance(pair, dict)] if isinstance(pairs, list) else []
        if named:
            return {pair["name"]: _resolve(pair.get("value"), names) for pair in named if _is_name(pair.get("name"))}
    return None


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def _resolve(parameter: Any, names: Callable[[str], Any]) -> Any:
    """Return a parameter's value for this item; None when it is unknown. A resource locator is its value."""
    if isinstance(parameter, dict) and "__rl" in parameter:
        parameter = parameter.get("value")
    value = evaluate(parameter, names) if isinstance(parameter, str) else parameter
    return None if value is UNKNOWN or value is UNDEFINED else value


def _node_template(parameters: dict[str, Any], names: Callable[[str], Any]) -> Template | None:
    """Return the template of a WhatsApp node, which n8n writes as ``name|language``."""
    if parameters.get("operation", "sendTemplate") != "sendTemplate":
        return None
    named = _resolve(parameters.get("template"), names)
    if isinstance(named, str):
        first, _, language = named.partition("|")
        return Template(clean_text(first), clean_text(language) or None) if first else None
    name = _text(_resolve(parameters.get("templateName"), names))
    languages = (_resolve(parameters.get(key), names) for key in ("templateLanguage", "languageCode", "language"))
    return Template(name, next((text for one in languages if (text := _text(one))), None)) if name else None


def _template(value: object) -> Template | None:
    """Return the template in a request's body, where it may be JSON in a text."""
    if isinstance(value, str):
        value = json_or_none(value)
    if not isinstance(value, dict):
        return None
    name, language = _text(value.get("name")), value.get("language")
    code = language.get("code") if isinstance(language, dict) else language
    return Template(name, _text(code)) if name else None


def _host(address: str | None) -> str | None:
    # Programs disagree about the host of an address with a backslash.
    match = re.match(
        r"https?://(?:[^/?#@\\\s]*@)?([a-z0-9.-]+)(?::\d+)?(?:[/?#]|\Z)", (address or "").strip(), re.IGNORECASE
    )
    return match[1].lower() if match else None


def _belongs(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _looks_known(address: str | None) -> bool:
    """Return whether the part of a URL before its path names a host of Meta or a provider."""
    authority = re.split(r"[/?#]", (address or "").partition("//")[2])[0].lower()
    return _KNOWN_HOST.search(authority) is not None


def json_or_none(text: str) -> object:
    """Return the value of a JSON text; None when it is no JSON."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return clean_text(value.strip()) or None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
