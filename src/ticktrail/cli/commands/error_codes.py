"""The command that explains failure codes. It needs no store and no network."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ticktrail.cli.options import FormatOption, failure_codes, form_of, read_settings, say
from ticktrail.errors import NotFoundError

app = typer.Typer()

_META_PAGE = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes"


@app.command()
def errors(
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="One code in full, as 131026.")] = None,
    form: FormatOption = None,
) -> None:
    """Meta's failure codes: what they mean, what to do, and whether to send again."""
    from ticktrail.output.error_codes import write_code, write_codes

    catalogue = failure_codes(read_settings())
    shown_as = form_of(form)
    if code is None:
        write_codes(catalogue, shown_as, sys.stdout)
        if shown_as == "table":
            say(
                "One in full: ticktrail errors 131026. Your own advice: a table [error_codes.131026] in ticktrail.toml."
            )
        return
    entry = catalogue.lookup(code)
    if not entry.known:
        from ticktrail.text.sanitizing import one_line

        close = "; ".join(f"{one.label} {one.title}" for one in catalogue.close_to(code))
        if isinstance(entry.code, int):
            sentence = (
                f"{entry.code} is no code Ticktrail knows. "
                "A message that fails with it is kept, shown and counted all the same."
            )
        else:
            sentence = f"{one_line(code, 40) or 'An empty text'} is no failure code."
        raise NotFoundError(
            sentence,
            remedy=(f"Near it: {close}.\n" if close else "")
            + f"All: ticktrail errors --format table. Meta's list: {_META_PAGE}",
        )
    if shown_as == "table":
        write_code(entry, sys.stdout)
    else:
        write_codes([entry], shown_as, sys.stdout)
