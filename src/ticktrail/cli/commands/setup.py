"""Commands to start with: ``demo`` and ``init``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ticktrail.cli.options import FormatOption, StoreOption, say

app = typer.Typer()


@app.command()
def demo(form: FormatOption = None) -> None:
    """Try everything on packaged recordings.

    Needs no network and no configuration. The messages end now, in a store of their own.
    """
    from ticktrail.cli.demo import run_demo

    run_demo("table" if form is None else form.value, sys.stdout, say)


@app.command()
def init(
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="n8n's address, as in the browser")] = None,
    workflow: Annotated[
        list[str] | None, typer.Option("--workflow", metavar="ID", help="Id of a workflow; repeat for several")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Connect to your n8n and write .env.

    Offers n8n's own database where it finds one on this machine. Else it asks for n8n's address and API key, then for
    the workflows, the store and the time zone, and tests each answer. The key is not shown while you type; it can also
    come from N8N_API_KEY.
    """
    from ticktrail.cli.wizard import run_wizard

    run_wizard(url=url, workflow_ids=tuple(workflow or ()), store_url=store, environ=os.environ, directory=Path.cwd())
