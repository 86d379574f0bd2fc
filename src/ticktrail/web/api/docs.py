"""The API's index, its OpenAPI document, and a page that shows it: made here, no script, nothing from elsewhere."""

from __future__ import annotations

import html
import json
from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from ticktrail import __version__
from ticktrail.web.api.schemas import EXAMPLE_MESSAGE, SCHEMAS

_ABOUT = (
    "The questions of the command line, with the same names. Messages are the documents of the reference, dates ISO "
    "8601 with offset. Send the token as Authorization: Bearer, where one is set. Lists are paged: give the answer's "
    "next as after, with the same parameters."
)

_STYLE = """
  :root { color-scheme: light dark; }
  body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; font: 16px/1.5 system-ui, sans-serif;
    background: light-dark(#fff, #131816); color: light-dark(#15211b, #e4ebe7); }
  h2 { margin-top: 2.5rem; font-size: 1.15rem; }
  code { font: .95em ui-monospace, monospace; overflow-wrap: anywhere; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0;
    border-bottom: 1px solid light-dark(#d8dfdb, #2e3934); }
  a { color: light-dark(#0b6b4f, #6fd0ad); }
  .muted { opacity: .75; }
"""


def openapi(routes: list[BaseRoute]) -> dict[str, Any]:
    """The document of those routes that are in the schema."""
    made = get_openapi(
        title="Ticktrail", version=__version__, openapi_version="3.1.0", description=_ABOUT, routes=routes
    )
    components = made.setdefault("components", {})
    # FastAPI's own answer to a wrong parameter, which ours replaces.
    schemas = {name: schema for name, schema in components.get("schemas", {}).items() if "ValidationError" not in name}
    components["schemas"] = {**schemas, **SCHEMAS, "Message": {**SCHEMAS["Message"], "examples": [EXAMPLE_MESSAGE]}}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"token": []}, {}]
    return made


def router(prefix: str, routes: list[BaseRoute]) -> APIRouter:
    """An index, ``openapi.json`` and ``docs`` below a prefix."""
    paths = APIRouter(prefix=prefix, include_in_schema=False)
    document = cache(lambda: openapi(routes))

    @paths.get("/openapi.json")
    async def as_json() -> Response:
        return Response(json.dumps(document()).encode(), media_type="application/json")

    @paths.get("/docs")
    async def as_page() -> Response:
        return HTMLResponse(page(document()))

    @paths.get("")
    @paths.get("/")
    async def index() -> Response:
        return Response(json.dumps(contents(prefix, document())).encode(), media_type="application/json")

    return paths


def contents(prefix: str, document: dict[str, Any]) -> dict[str, Any]:
    """What there is below the prefix, for somebody who begins there."""
    return {
        "name": "Ticktrail",
        "version": __version__,
        "openapi": f"{prefix}/openapi.json",
        "docs": f"{prefix}/docs",
        "paths": {path: methods["get"]["summary"] for path, methods in document["paths"].items()},
    }


def page(document: dict[str, Any]) -> str:
    """The document for people."""
    sections = [
        _section(path, operation) for path, methods in document["paths"].items() for operation in methods.values()
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Ticktrail: API</title><style>{_STYLE}</style></head><body><h1>The API of Ticktrail</h1>"
        f"<p>{html.escape(_ABOUT)}</p>"
        '<p><a href="openapi.json">openapi.json</a> says the same to programs.</p>'
        f"{''.join(sections)}</body></html>"
    )


def _section(path: str, operation: dict[str, Any]) -> str:
    rows = "".join(_row(parameter) for parameter in operation.get("parameters", ()))
    table = f"<table><tr><th>parameter</th><th>takes</th><th></th></tr>{rows}</table>" if rows else ""
    about = html.escape(operation.get("description", ""))
    return (
        f"<h2><code>GET {html.escape(path)}</code></h2>"
        f"<p>{html.escape(operation['summary'])}. <span class='muted'>{about}</span></p>{table}"
    )


def _row(parameter: dict[str, Any]) -> str:
    said = html.escape(parameter.get("description") or parameter["schema"].get("description", ""))
    takes = html.escape(_takes(parameter["schema"]))
    return f"<tr><td><code>{html.escape(parameter['name'])}</code></td><td>{takes}</td><td>{said}</td></tr>"


def _takes(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "$ref" in schema:
        return _GROUPINGS
    for inner in schema.get("anyOf", ()):
        if inner.get("type") != "null":
            return _takes(inner)
    kind = str(schema.get("type", "text"))
    if kind == "array":
        return f"{_takes(schema['items'])}, several times"
    bounds = f", {schema['minimum']:,} to {schema['maximum']:,}" if {"minimum", "maximum"} <= schema.keys() else ""
    return {"string": "text", "integer": "number", "boolean": "true or false"}.get(kind, kind) + bounds


_GROUPINGS = "day, hour, user, error, category, template, campaign, number, country, workflow, sender"
