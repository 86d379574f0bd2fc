"""Evaluate n8n's expressions (``={{ … }}``) on recorded data, without running any code.

The JavaScript is parsed by tree-sitter, and its tree is walked by a small evaluator that knows look-ups, operators,
literals and the usual string methods. It has no loops and no I/O, and every expression ends after a bounded number of
steps. What it does not know, or what the execution does not record, is unknown: never guessed.

Pure. See: docs/decisions/0025-expressions.md and https://docs.n8n.io/data/expressions/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ticktrail.extraction import javascript
from ticktrail.extraction.javascript_values import (
    UNDEFINED,
    UNKNOWN,
    JavaScriptError,
    Unknown,
    limited,
    stringify,
    to_number,
    to_text,
    truth,
)

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_LONGEST: Final = 20_000
"""Longer expressions are not evaluated."""

_MOST_ENDS: Final = 20
_STEPS: Final = 5_000
_DEPTH: Final = 100

Names = Callable[[str], Any]
"""Returns the value of a global name such as ``$json``; raises Unknown."""


def evaluate(parameter: str, names: Names) -> Any:
    """Return the value of a node's parameter, or :data:`UNKNOWN`.

    Args:
        parameter: as n8n keeps it. Without a leading ``=`` it is a literal.
    """
    segments = render(parameter, names)
    if len(segments) == 1 and not isinstance(segments[0], str):
        return segments[0].value
    if any(isinstance(segment, Value) and segment.value is UNKNOWN for segment in segments):
        return UNKNOWN
    try:
        return "".join(segment if isinstance(segment, str) else _shown(segment.value) for segment in segments)
    except Unknown:
        return UNKNOWN


class Value:
    """The value of one ``{{ … }}`` in a parameter."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def render(parameter: str, names: Names) -> list[str | Value]:
    """Return a parameter's literal texts and the values of its expressions, in order."""
    if not parameter.startswith("="):
        return [parameter]
    if len(parameter) > 5 * _LONGEST:
        return [Value(UNKNOWN)]
    return [_value(part, names) if part.code else part.text for part in _split(parameter)]


class _Part(msgspec.Struct, frozen=True):
    """A literal text of a parameter, or the JavaScript between ``{{`` and ``}}``."""

    text: str
    code: bool = False


def _value(part: _Part, names: Names) -> Value:
    return Value(_evaluate(part.text, names))


@lru_cache(maxsize=200)
def _split(parameter: str) -> tuple[_Part, ...]:
    """Split a parameter. Braces of an object literal may end an expression early: the first end that parses counts."""
    parts: list[_Part] = []
    rest = parameter.removeprefix("=")
    while rest:
        text, opening, rest = rest.partition("{{")
        if text:
            parts.append(_Part(text))
        if not opening:
            break
        ends = [end.start() for end in re.finditer(r"(?=}})", rest)][:_MOST_ENDS]
        end = next((end for end in ends if _parse(rest[:end]) is not None), ends[0] if ends else len(rest))
        parts.append(_Part(rest[:end], code=True))
        rest = rest[end + 2 :]
    return tuple(parts) or (_Part(""),)


def json_with_gaps(parameter: str, names: Names) -> Any:
    """Return the JSON value of a text parameter in which each text with an unknown part is null.

    Returns None when the text is no JSON.
    """
    text = ""
    for segment in render(parameter, names):
        if isinstance(segment, str):
            text += segment
            continue
        try:
            text += _GAP if segment.value is UNKNOWN else _shown(segment.value)
        except Unknown:
            text += _GAP
    known = re.sub(r'"(?:[^"\\]|\\.)*"', lambda part: "null" if _GAP in part[0] else part[0], text)
    try:
        return json.loads(known.replace(_GAP, "null"))
    except (ValueError, RecursionError):
        return None


_GAP = "\x7f"


def _shown(value: Any) -> str:
    """Return a value as n8n writes it into a text: objects as JSON.

    n8n writes nothing for null and undefined. A text with such a hole is more likely a mistake than what was meant.
    """
    if value is None or value is UNDEFINED:
        raise Unknown
    if isinstance(value, (dict, list)):
        return stringify(value)
    return to_text(value)


def _evaluate(source: str, names: Names) -> Any:
    root = _parse(source)
    if root is None:
        return UNKNOWN
    try:
        return _Evaluator(names).value(root, 0)
    except (Unknown, RecursionError):
        return UNKNOWN
    except JavaScriptError:
        return UNDEFINED  # n8n shows an expression that throws as undefined


@cache
def _parser() -> Parser:
    import tree_sitter_javascript  # noqa: PLC0415 - loads a native library, needed for sends only
    from tree_sitter import Language, Parser  # noqa: PLC0415

    return Parser(Language(tree_sitter_javascript.language()))


class _Syntax(msgspec.Struct, frozen=True, kw_only=True):
    """A node of tree-sitter's tree, as far as the evaluator needs it. The tree itself is slow to walk from Python.

    Attributes:
        inside: the named nodes inside, without comments.
        fields: those of them that the grammar names.
        optional: it is a look-up or call with ``?.``.
    """

    kind: str
    text: str
    inside: tuple[_Syntax, ...] = ()
    fields: dict[str, _Syntax] = {}
    optional: bool = False

    def field(self, name: str) -> _Syntax:
        """Return the node in a field; raises Unknown."""
        if name not in self.fields:
            raise Unknown
        return self.fields[name]


@lru_cache(maxsize=1_000)
def _parse(source: str) -> _Syntax | None:
    """Return the tree of the one expression in a JavaScript text; None when it is anything else."""
    if len(source) > _LONGEST:
        return None
    root = _parser().parse(f"({source}\n)".encode("utf-8", "replace")).root_node
    if root.has_error or root.named_child_count != 1 or root.named_children[0].type != "expression_statement":
        return None
    try:
        return _syntax(root.named_children[0].named_children[0], 0)
    except Unknown:
        return None


def _syntax(node: Node, depth: int) -> _Syntax:
    if depth > _DEPTH:
        raise Unknown
    inside, fields = [], {}
    for number, child in enumerate(node.children):
        name = node.field_name_for_child(number)
        if child.type == "comment" or not (child.is_named or name):
            continue
        syntax = _syntax(child, depth + 1)
        if child.is_named:
            inside.append(syntax)
        if name:
            fields[name] = syntax
    return _Syntax(
        kind=node.type,
        text="" if node.text is None else node.text.decode("utf-8", "replace"),
        inside=tuple(inside),
        fields=fields,
        optional=any(child.type == "optional_chain" for child in node.children),
    )


class _Evaluator:
    """Evaluates one expression."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.steps = 0

    def value(self, node: _Syntax, depth: int) -> Any:
        """Return the value of a node of the tree.

        Raises:
            Unknown: it is not certain.
            JavaScriptError: JavaScript would throw.
        """
        self.steps += 1
        if self.steps > _STEPS or depth > _DEPTH:
            raise Unknown
        method = getattr(self, f"_{node.kind}", None)
        if method is None:
            raise Unknown
        return method(node, depth + 1)

    def _child(self, node: _Syntax, name: str, depth: int) -> Any:
        return self.value(node.field(name), depth)

    def _parenthesized_expression(self, node: _Syntax, depth: int) -> Any:
        if len(node.inside) != 1:
            raise Unknown
        return self.value(node.inside[0], depth)

    def _identifier(self, node: _Syntax, _: int) -> Any:
        return self.names(node.text)

    def _undefined(self, _: _Syntax, __: int) -> Any:
        return UNDEFINED

    def _null(self, _: _Syntax, __: int) -> Any:
        return None

    def _true(self, _: _Syntax, __: int) -> Any:
        return True

    def _false(self, _: _Syntax, __: int) -> Any:
        return False

    def _number(self, node: _Syntax, _: int) -> Any:
        return to_number(node.text)

    def _string(self, node: _Syntax, _: int) -> Any:
        return "".join(_fragment(child) for child in node.inside)

    def _template_string(self, node: _Syntax, depth: int) -> Any:
        parts = []
        for child in node.inside:
            if child.kind == "template_substitution":
                parts.append(to_text(self.value(child.inside[0], depth)))
            else:
                parts.append(_fragment(child))
        return limited("".join(parts))

    def _regex(self, node: _Syntax, _: int) -> Any:
        flags = node.fields.get("flags")
        return javascript.pattern(node.field("pattern").text, flags.text if flags else "")

    def _array(self, node: _Syntax, depth: int) -> Any:
        values: list[Any] = []
        for child in node.inside:
            if child.kind == "spread_element":
                spread = self.value(child.inside[0], depth)
                if not isinstance(spread, list):
                    raise Unknown
                values = javascript.call(javascript.member(values, "concat", optional=False), [spread])
            else:
                values.append(self.value(child, depth))
        return values

    def _object(self, node: _Syntax, depth: int) -> Any:
        made: dict[str, Any] = {}
        for child in node.inside:
            if child.kind == "pair":
                made[self._key(child, depth)] = self._child(child, "value", depth)
            elif child.kind == "shorthand_property_identifier":
                made[child.text] = self.names(child.text)
            elif child.kind == "spread_element":
                spread = self.value(child.inside[0], depth)
                if isinstance(spread, dict):
                    made.update(spread)
                elif spread is not None and spread is not UNDEFINED:
                    raise Unknown
            else:
                raise Unknown
        return made

    def _key(self, pair: _Syntax, depth: int) -> str:
        key = pair.field("key")
        if key.kind == "property_identifier":
            return key.text
        if key.kind == "computed_property_name":
            return to_text(self.value(key.inside[0], depth))
        return to_text(self.value(key, depth))

    def _member_expression(self, node: _Syntax, depth: int) -> Any:
        holder = self._child(node, "object", depth)
        name = node.field("property")
        if name.kind != "property_identifier":
            raise Unknown
        return javascript.member(holder, name.text, optional=_in_optional_chain(node))

    def _subscript_expression(self, node: _Syntax, depth: int) -> Any:
        holder = self._child(node, "object", depth)
        index = self._child(node, "index", depth)
        return javascript.member(holder, index, optional=_in_optional_chain(node))

    def _call_expression(self, node: _Syntax, depth: int) -> Any:
        function = self._child(node, "function", depth)
        arguments = node.field("arguments")
        if arguments.kind != "arguments":
            raise Unknown
        if (function is UNDEFINED or function is None) and _in_optional_chain(node):
            return UNDEFINED
        return javascript.call(function, [self.value(child, depth) for child in arguments.inside])

    def _unary_expression(self, node: _Syntax, depth: int) -> Any:
        return javascript.unary(_operator(node), self._child(node, "argument", depth))

    def _ternary_expression(self, node: _Syntax, depth: int) -> Any:
        chosen = "consequence" if truth(self._child(node, "condition", depth)) else "alternative"
        return self._child(node, chosen, depth)

    def _binary_expression(self, node: _Syntax, depth: int) -> Any:
        operator = _operator(node)
        left = self._child(node, "left", depth)
        if operator == "||":
            return left if truth(left) else self._child(node, "right", depth)
        if operator == "&&":
            return self._child(node, "right", depth) if truth(left) else left
        if operator == "??":
            return self._child(node, "right", depth) if left is None or left is UNDEFINED else left
        return javascript.binary(operator, left, self._child(node, "right", depth))


def _operator(node: _Syntax) -> str:
    return node.field("operator").text


def _in_optional_chain(node: _Syntax | None) -> bool:
    """Return whether a look-up, or one before it in the same chain, is optional (``?.``)."""
    while node is not None and node.kind in ("member_expression", "subscript_expression", "call_expression"):
        if node.optional:
            return True
        node = node.fields.get("object") or node.fields.get("function")
    return False


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}


def _fragment(node: _Syntax) -> str:
    text = node.text
    if node.kind != "escape_sequence":
        return text
    code = re.fullmatch(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))", text)
    if code is not None:
        number = int(next(digits for digits in code.groups() if digits), 16)
        if number > 0x10FFFF:
            raise Unknown
        return chr(number)
    return _ESCAPES.get(text[1:], text[1:])
