"""Evaluate n8n's expressions (``={{ … }}``) on recorded data, without running any code.

The JavaScript is parsed by tree-sitter, and its tree is walked by a small evaluator that knows look-ups, operators,
literals and the usual string methods. It has no loops and no I/O, and every expression ends after a bounded number of
steps. What it does not know, or what the execution does not record, is unknown: never guessed.

Pure. See: docs/decisions/expressions.md and https://docs.n8n.io/data/expressions/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from ticktrail.extraction import javascript
from ticktrail.extraction.javascript import UNDEFINED, UNKNOWN, Unknown

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_SEGMENT = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)

_LONGEST: Final = 20_000
"""Longer expressions are not evaluated."""

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
    segments: list[str | Value] = []
    for number, part in enumerate(_SEGMENT.split(parameter[1:])):
        if number % 2:
            segments.append(Value(_evaluate(part, names)))
        elif part:
            segments.append(part)
    return segments or [""]


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
        return javascript.stringify(value)
    return javascript.to_text(value)


def _evaluate(source: str, names: Names) -> Any:
    if len(source) > _LONGEST:
        return UNKNOWN
    root = _parse(source)
    if root is None:
        return UNKNOWN
    try:
        return _Evaluator(names).value(root, 0)
    except (Unknown, RecursionError):
        return UNKNOWN
    except javascript.JavaScriptError:
        return UNDEFINED  # n8n shows an expression that throws as undefined


@cache
def _parser() -> Parser:
    import tree_sitter_javascript  # noqa: PLC0415 - loads a native library, needed for sends only
    from tree_sitter import Language, Parser  # noqa: PLC0415

    return Parser(Language(tree_sitter_javascript.language()))


@lru_cache(maxsize=1_000)
def _parse(source: str) -> Node | None:
    """Return the tree of the one expression in a JavaScript text; None when it is anything else."""
    root = _parser().parse(f"({source}\n)".encode("utf-8", "replace")).root_node
    if root.has_error or root.named_child_count != 1:
        return None
    statement = root.named_children[0]
    return statement.named_children[0] if statement.type == "expression_statement" else None


class _Evaluator:
    """Evaluates one expression."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.steps = 0

    def value(self, node: Node, depth: int) -> Any:
        """Return the value of a node of the tree.

        Raises:
            Unknown: it cannot be told.
            JavaScriptError: JavaScript would throw.
        """
        self.steps += 1
        if self.steps > _STEPS or depth > _DEPTH:
            raise Unknown
        method = getattr(self, f"_{node.type}", None)
        if method is None:
            raise Unknown
        return method(node, depth + 1)

    def _child(self, node: Node, name: str, depth: int) -> Any:
        child = node.child_by_field_name(name)
        if child is None:
            raise Unknown
        return self.value(child, depth)

    def _parenthesized_expression(self, node: Node, depth: int) -> Any:
        inner = [child for child in node.named_children if child.type != "comment"]
        if len(inner) != 1:
            raise Unknown
        return self.value(inner[0], depth)

    def _identifier(self, node: Node, _: int) -> Any:
        return self.names(_text(node))

    def _undefined(self, _: Node, __: int) -> Any:
        return UNDEFINED

    def _null(self, _: Node, __: int) -> Any:
        return None

    def _true(self, _: Node, __: int) -> Any:
        return True

    def _false(self, _: Node, __: int) -> Any:
        return False

    def _number(self, node: Node, _: int) -> Any:
        return javascript.to_number(_text(node))

    def _string(self, node: Node, _: int) -> Any:
        return "".join(_fragment(child) for child in node.named_children)

    def _template_string(self, node: Node, depth: int) -> Any:
        parts = []
        for child in node.named_children:
            if child.type == "template_substitution":
                parts.append(javascript.to_text(self.value(child.named_children[0], depth)))
            else:
                parts.append(_fragment(child))
        return javascript.limited("".join(parts))

    def _regex(self, node: Node, _: int) -> Any:
        pattern, flags = node.child_by_field_name("pattern"), node.child_by_field_name("flags")
        return javascript.Pattern(_text(pattern), _text(flags))

    def _array(self, node: Node, depth: int) -> Any:
        values: list[Any] = []
        for child in node.named_children:
            if child.type == "spread_element":
                spread = self.value(child.named_children[0], depth)
                if not isinstance(spread, list):
                    raise Unknown
                values = javascript.call(javascript.member(values, "concat", optional=False), [spread])
            elif child.type != "comment":
                values.append(self.value(child, depth))
        return values

    def _object(self, node: Node, depth: int) -> Any:
        made: dict[str, Any] = {}
        for child in node.named_children:
            if child.type == "pair":
                made[self._key(child, depth)] = self._child(child, "value", depth)
            elif child.type == "shorthand_property_identifier":
                made[_text(child)] = self.names(_text(child))
            elif child.type == "spread_element":
                spread = self.value(child.named_children[0], depth)
                if isinstance(spread, dict):
                    made.update(spread)
                elif spread is not None and spread is not UNDEFINED:
                    raise Unknown
            elif child.type != "comment":
                raise Unknown
        return made

    def _key(self, pair: Node, depth: int) -> str:
        key = pair.child_by_field_name("key")
        if key is None:
            raise Unknown
        if key.type == "property_identifier":
            return _text(key)
        if key.type == "computed_property_name":
            return javascript.to_text(self.value(key.named_children[0], depth))
        return javascript.to_text(self.value(key, depth))

    def _member_expression(self, node: Node, depth: int) -> Any:
        holder = self._child(node, "object", depth)
        name = node.child_by_field_name("property")
        if name is None or name.type != "property_identifier":
            raise Unknown
        return javascript.member(holder, _text(name), optional=_is_optional(node))

    def _subscript_expression(self, node: Node, depth: int) -> Any:
        holder = self._child(node, "object", depth)
        index = self._child(node, "index", depth)
        return javascript.member(holder, index, optional=_is_optional(node))

    def _call_expression(self, node: Node, depth: int) -> Any:
        function = self._child(node, "function", depth)
        arguments = node.child_by_field_name("arguments")
        if arguments is None or arguments.type != "arguments":
            raise Unknown
        if (function is UNDEFINED or function is None) and _has_optional_chain(node):
            return UNDEFINED
        given = [child for child in arguments.named_children if child.type != "comment"]
        return javascript.call(function, [self.value(child, depth) for child in given])

    def _unary_expression(self, node: Node, depth: int) -> Any:
        return javascript.unary(_operator(node), self._child(node, "argument", depth))

    def _ternary_expression(self, node: Node, depth: int) -> Any:
        chosen = "consequence" if javascript.truth(self._child(node, "condition", depth)) else "alternative"
        return self._child(node, chosen, depth)

    def _binary_expression(self, node: Node, depth: int) -> Any:
        operator = _operator(node)
        left = self._child(node, "left", depth)
        if operator == "||":
            return left if javascript.truth(left) else self._child(node, "right", depth)
        if operator == "&&":
            return self._child(node, "right", depth) if javascript.truth(left) else left
        if operator == "??":
            return self._child(node, "right", depth) if left is None or left is UNDEFINED else left
        return javascript.binary(operator, left, self._child(node, "right", depth))


def _operator(node: Node) -> str:
    return _text(node.child_by_field_name("operator"))


def _is_optional(node: Node) -> bool:
    """Return whether the look-up, or one before it in the same chain, is optional (``?.``)."""
    return _has_optional_chain(node) or _in_optional_chain(node.child_by_field_name("object"))


def _in_optional_chain(node: Node | None) -> bool:
    while node is not None and node.type in ("member_expression", "subscript_expression", "call_expression"):
        if _has_optional_chain(node):
            return True
        node = node.child_by_field_name("object") or node.child_by_field_name("function")
    return False


def _has_optional_chain(node: Node) -> bool:
    return any(child.type == "optional_chain" for child in node.children)


def _text(node: Node | None) -> str:
    return "" if node is None or node.text is None else node.text.decode("utf-8", "replace")


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}


def _fragment(node: Node) -> str:
    text = _text(node)
    if node.type != "escape_sequence":
        return text
    code = re.fullmatch(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))", text)
    if code is not None:
        number = int(next(digits for digits in code.groups() if digits), 16)
        if number > 0x10FFFF:
            raise Unknown
        return chr(number)
    return _ESCAPES.get(text[1:], text[1:])
