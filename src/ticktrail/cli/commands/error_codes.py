"""The command ``errors``: explains failure codes, without store or network."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.options import FormatOption, failure_codes, form_of, read_settings, say
from ticktrail.errors import NotFoundError

if TYPE_CHECKING:
    from ticktrail.messages.error_codes import Catalogue

app = typer.Typer()

_META_PAGE = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes"


@app.command()
def errors(
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="Failure code, such as 131026")] = None,
    form: FormatOption = None,
) -> None:
    """Explain Meta's failure codes.

    Example: ticktrail errors 131026
    """
    from ticktrail.output.error_codes import write_code, write_codes

    catalogue = failure_codes(read_settings())
    printed_as = form_of(form)
    if code is None:
        write_codes(catalogue, printed_as, sys.stdout)
        if printed_as == "table":
            say("In full: ticktrail errors 131026. To change advice, add [error_codes.131026] to ticktrail.toml.")
        return
    entry = catalogue.lookup(code)
    if not entry.known:
        raise _unknown(code, catalogue)
    if printed_as == "table":
        write_code(entry, sys.stdout)
    else:
        write_codes([entry], printed_as, sys.stdout)


def _unknown(code: str, catalogue: Catalogue) -> NotFoundError:
    from ticktrail.text.sanitizing import one_line

    entry = catalogue.lookup(code)
    if isinstance(entry.code, int):
        sentence = f"Ticktrail does not know the code {entry.code}. Messages that failed with it are counted as usual."
    else:
        sentence = f"{one_line(code, 40) or 'An empty text'} is not a failure code."
    close = "; ".join(f"{one.label} {one.title}" for one in catalogue.close_to(code))
    return NotFoundError(
        sentence,
        remedy=(f"Similar codes: {close}.\n" if close else "")
        + f"All codes: ticktrail errors --format table. Meta's list: {_META_PAGE}",
    )
