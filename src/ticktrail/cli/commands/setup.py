"""Commands to begin with: a demonstration, and connecting to an n8n."""

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
    """Run the whole path on recorded executions: no network, no configuration."""
    from ticktrail.cli.demo import run_demo

    run_demo("table" if form is None else form.value, sys.stdout, say)


@app.command()
def init(
    url: Annotated[str | None, typer.Option("--url", help="n8n's address, as in the browser.")] = None,
    workflow: Annotated[list[str] | None, typer.Option("--workflow", help="A workflow's id; may be repeated.")] = None,
    store: StoreOption = None,
) -> None:
    """Connect to your n8n: asks, tests, writes .env, and says how to schedule.

    The API key is asked for without showing it, or taken from N8N_API_KEY.
    """
    from ticktrail.cli.wizard import run_wizard

    run_wizard(url=url, workflow_ids=tuple(workflow or ()), store_url=store, environ=os.environ, directory=Path.cwd())
