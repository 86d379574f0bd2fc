"""Languages: how one is chosen, and that the catalogues are whole."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from ticktrail.web import pages
from ticktrail.web.pages.translation import LANGUAGES, choose, gettext, isolated, ngettext, speaking

FOLDER = Path(pages.__file__).parent
EXTRACTED = {
    "mark": None, "gettext": None, "_": None, "mark_plural": (1, 2), "count_of": (1, 2), "ngettext": (1, 2),
}  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "ar-SA,ar;q=0.9,en;q=0.8", "ar"),
        (None, "de,fr;q=0.9", "en"),
        (None, "en;q=0.5,ar;q=0.9", "ar"),
        ("en", "ar", "en"),
        ("ar", "en", "ar"),
        ("xx", "ar", "ar"),
        (None, "ar;q=much,en", "en"),
    ],
)
def test_a_language_is_chosen(chosen: str | None, accepted: str, language: str) -> None:
    """A choice made before comes first, then what the browser prefers, then English."""
    assert choose(chosen, accepted) == language


def test_counts_take_the_form_of_the_language() -> None:
    """Arabic has forms for one, two, few and many."""
    with speaking("ar"):
        said = [ngettext("{count} message", "{count} messages", count) for count in (1, 2, 3, 11, 1_204)]
        assert len({re.sub(r"[\d,]+", "", one).strip() for one in said}) == 4
        assert said[-1].startswith("1,204 ")
        assert gettext("Messages") != "Messages"
        assert isolated("5 s") == "\u20685 s\u2069"
    assert ngettext("{count} message", "{count} messages", 1) == "1 message"
    assert isolated("5 s") == "5 s"


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_the_catalogue_has_every_text_and_is_compiled(language: str) -> None:
    """Each text of code and templates is translated, with the same placeholders, and the .mo is of this .po."""
    messages = pytest.importorskip("babel.messages")
    from babel.messages import extract, mofile, pofile  # noqa: PLC0415 - where it is installed

    assert messages
    folder = FOLDER / "locale" / language / "LC_MESSAGES"
    with (folder / "pages.po").open("rb") as stream:
        catalogue = pofile.read_po(stream, locale=language)
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    options = {"**/templates/**.html": {"extensions": "jinja2.ext.i18n"}}
    keywords = {**extract.DEFAULT_KEYWORDS, **EXTRACTED}
    found = {text for *_, text, _, _ in extract.extract_from_dir(FOLDER.parent, methods, options, keywords)}
    assert len(found) > 250
    for text in found:
        entry = catalogue.get(text[0] if isinstance(text, tuple) else text)
        assert entry is not None, text
        said = entry.string if isinstance(entry.string, tuple) else (entry.string,)
        assert all(said), text
        plain = text[-1] if isinstance(text, tuple) else text
        for form in said:
            assert set(re.findall(r"{\w+}", form)) <= set(re.findall(r"{\w+}", plain)), text  # type: ignore[arg-type]
    compiled = io.BytesIO()
    mofile.write_mo(compiled, catalogue)
    assert compiled.getvalue() == (folder / "pages.mo").read_bytes(), "run scripts/translations"
