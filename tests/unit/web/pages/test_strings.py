"""Every sentence and label of the pages stands in the modules of words: to be found and changed in one place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ticktrail import web

FOLDER = Path(web.__file__).parent
SHOWING = sorted(
    {*(FOLDER / "pages").glob("*.py"), FOLDER / "security" / "login.py"}
    - {
        FOLDER / "pages" / name
        for name in (
            "strings.py",
            "trust_words.py",
            "downloads.py",
            "url_filters.py",
            "conditions.py",
            "send_choice.py",
        )
    }
)

# Calls whose arguments nobody reads: by name, all of them, or the one at a place.
NOT_READ = {
    **dict.fromkeys(("classes", "props", "style", "add_head_html", "run_javascript", "get", "create", "colors")),
    **dict.fromkeys(("strftime", "split", "partition", "rpartition", "replace", "startswith", "on", "set_cookie")),
    **dict.fromkeys(("text", "section"), 1),
    **dict.fromkeys(("link", "button", "away"), 2),
    "box": 0,
}
NOT_READ_NAMES = {
    *("tag", "classes", "href", "kind", "role", "id", "headers", "media_type", "js_handler", "renderer", "name"),
    *("language", "samesite", "rel", "target", "autocomplete", "scope", "dir", "tabindex", "type", "selector"),
}


def is_prose(text: str) -> bool:
    """Whether somebody could read it: a word with a capital, or words with spaces beside them. Markup is no prose."""
    if text.lstrip().startswith(("<", "/")):
        return False
    return re.search(r"(?<![A-Za-z_#%])[A-Z][a-z]+", text) is not None or (
        re.search(r"[A-Za-z]{2,}[.,:;!?]?\s|\s[(“]?[A-Za-z]{2,}", text) is not None
    )


def sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each text of a module that could be read on a page, with its line."""
    if isinstance(tree, ast.Constant):
        if isinstance(tree.value, str) and is_prose(tree.value):
            yield tree.lineno, tree.value
        return
    for one in _parts(tree):
        yield from sentences(one)


def _parts(tree: ast.AST) -> list[ast.AST]:
    """What a piece of code is made of, less what nobody reads: docstrings, annotations, classes, addresses."""
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return []
    if isinstance(tree, ast.Call):
        name = getattr(tree.func, "attr", getattr(tree.func, "id", ""))
        read = [
            one for place, one in enumerate(tree.args) if name not in NOT_READ or NOT_READ[name] not in {None, place}
        ]
        return [tree.func, *read, *(one.value for one in tree.keywords if one.arg not in NOT_READ_NAMES)]
    fields = [value for name, value in ast.iter_fields(tree) if name not in {"annotation", "returns"}]
    listed = [one for value in fields for one in (value if isinstance(value, list) else [value])]
    return [one for one in listed if isinstance(one, ast.AST)]


@pytest.mark.parametrize("path", SHOWING, ids=lambda path: path.stem)
def test_a_page_has_no_sentence_of_its_own(path: Path) -> None:
    """What is shown comes from words; classes, addresses, scripts and style are not shown."""
    assert list(sentences(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("parts.text('Nobody is there', 'muted')", ["Nobody is there"]),
        ("parts.text(f'and {count} more')", ["and ", " more"]),
        ("parts.text(words.LOADING, 'state hint')", []),
        ("parts.link('Timeline', address, 'quiet link')", ["Timeline"]),
        ("parts.box('need bad', title='Look here')", ["Look here"]),
        (
            "raise ConfigurationError('That is no period.', remedy='Good ones: 7d.')",
            ["That is no period.", "Good ones: 7d."],
        ),
        ("NAMES = {'a': 'Not read'}", ["Not read"]),
        ("remarks.append(f'{count} gaps more')", [" gaps more"]),
        ("'''A docstring, of course.'''", []),
        ("ui.run_javascript('document.title = 1')", []),
    ],
)
def test_the_rule_finds_sentences_and_nothing_else(source: str, found: list[str]) -> None:
    """The rule itself, on texts as pages have them."""
    assert [text for _, text in sentences(ast.parse(source))] == found


def test_the_login_is_made_of_words() -> None:
    """Between the tags of the page that asks for a token only gaps stand, which words fill."""
    from ticktrail.web.security import login  # noqa: PLC0415 - beside what it is for

    class Texts(HTMLParser):
        """Collects what stands between tags, less style."""

        def __init__(self) -> None:
            super().__init__()
            self.open = ""
            self.met: list[str] = []

        def handle_starttag(self, tag: str, _: object) -> None:
            self.open = tag

        def handle_data(self, data: str) -> None:
            if self.open != "style" and data.strip():
                self.met.append(data.strip())

    texts = Texts()
    texts.feed(login.PAGE)
    assert texts.met
    assert all(re.fullmatch(r"\{\w+\}", one) for one in texts.met), texts.met
