"""Templates: data is always escaped, nothing is inline, and every template is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import nodes

from ticktrail.web import pages
from ticktrail.web.pages.rendering import environment

TEMPLATES = sorted((Path(pages.__file__).parent / "templates").glob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_lets_data_through_unescaped(path: Path) -> None:
    """Autoescape is on, and no template switches it off or marks a text as safe."""
    tree = environment().parse(path.read_text(encoding="utf-8"))
    assert environment().autoescape is True
    assert not [one.name for one in tree.find_all(nodes.Filter) if one.name in {"safe", "forceescape", "xmlattr"}]
    assert not list(tree.find_all((nodes.MarkSafe, nodes.MarkSafeIfAutoescape, nodes.ScopedEvalContextModifier)))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_inline_style_or_script(path: Path) -> None:
    """The content security policy allows neither, nor anything from elsewhere."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert all("src=" in one for one in re.findall(r"<script[^>]*>", text))
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_python_marks_no_text_as_safe() -> None:
    """No module of the pages makes markup out of a text."""
    for path in Path(pages.__file__).parent.glob("*.py"):
        assert "Markup" not in path.read_text(encoding="utf-8"), path.name


def test_hostile_text_is_escaped() -> None:
    """A script in a stored text comes out as text."""
    made = environment().from_string("<b title='{{ text }}'>{{ text }}</b>").render(text="<script>'\"&</script>")
    assert "<script>" not in made
    assert "&lt;script&gt;" in made
