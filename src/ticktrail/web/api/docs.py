"""The API's index, its OpenAPI document, and a documentation page without scripts."""

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
from ticktrail.messages.filters import Grouping
from ticktrail.web.api.schemas import EXAMPLE_MESSAGE, SCHEMAS

_ABOUT = (
    "The API answers the same questions as the command line, with the same names. Messages are the documents of the "
    "reference; dates are ISO 8601 with offset. If a token is set, send it as Authorization: Bearer TOKEN. Lists are "
    "paged: pass the answer's next as after, with the same parameters."
)

_STYLE = """
  :root { color-scheme: light dark; }
  body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; font: 16px/1.5 system-ui, sans-serif;
    background: light-dark(#fff, #131816); color: light-dark(#15211b, #e4ebe7); }
  h2 { margin-top: 2.5rem; font-size: 1.15rem; }
  code { font: .95em ui-monospace, monospace; overflow-wrap: break-word; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0;
    border-bottom: 1px solid light-dark(#d8dfdb, #2e3934); }
  a { color: light-dark(#0b6b4f, #6fd0ad); }
  .muted { opacity: .75; }
"""


def openapi(routes: list[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    document = get_openapi(
        title="Ticktrail", version=__version__, openapi_version="3.1.0", description=_ABOUT, routes=routes
    )
    components = document.setdefault("components", {})
    # FastAPI describes its own answer to a wrong parameter, which problem+json replaces.
    schemas = {name: schema for name, schema in components.get("schemas", {}).items() if "ValidationError" not in name}
    components["schemas"] = {**schemas, **SCHEMAS, "Message": {**SCHEMAS["Message"], "examples": [EXAMPLE_MESSAGE]}}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}, {}]
    return document


def router(prefix: str, routes: list[BaseRoute]) -> APIRouter:
    """Routes for the index, ``openapi.json`` and ``docs`` below a prefix."""
    paths = APIRouter(prefix=prefix, include_in_schema=False)
    document = cache(lambda: openapi(routes))

    @paths.get("/openapi.json")
    async def as_json() -> Response:
        return Response(json.dumps(document()).encode(), media_type="application/json")

    @paths.get("/docs")
    async def as_page() -> Response:
        return HTMLResponse(page(document()))

    @paths.get("/docs.css")
    async def style() -> Response:
        return Response(_STYLE, media_type="text/css")

    @paths.get("")
    @paths.get("/")
    async def index() -> Response:
        return Response(json.dumps(contents(prefix, document())).encode(), media_type="application/json")

    return paths


def contents(prefix: str, document: dict[str, Any]) -> dict[str, Any]:
    """The index: version, documentation and the paths with their titles."""
    return {
        "name": "Ticktrail",
        "version": __version__,
        "openapi": f"{prefix}/openapi.json",
        "docs": f"{prefix}/docs",
        "paths": {path: methods["get"]["summary"] for path, methods in document["paths"].items()},
    }


def page(document: dict[str, Any]) -> str:
    """The documentation page of an OpenAPI document."""
    sections = [
        _section(path, operation) for path, methods in document["paths"].items() for operation in methods.values()
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<title>Ticktrail API</title><link rel="stylesheet" href="docs.css"></head><body><main><h1>Ticktrail API</h1>'
        f"<p>{html.escape(_ABOUT)}</p>"
        '<p>For programs: <a href="openapi.json">openapi.json</a></p>'
        f"{''.join(sections)}</main></body></html>"
    )


def _section(path: str, operation: dict[str, Any]) -> str:
    rows = "".join(_row(parameter) for parameter in operation.get("parameters", ()))
    table = f"<table><tr><th>Parameter</th><th>Values</th><th>Meaning</th></tr>{rows}</table>" if rows else ""
    about = html.escape(operation.get("description", ""))
    return (
        f"<h2><code>GET {html.escape(path)}</code></h2>"
        f"<p>{html.escape(operation['summary'])}. <span class='muted'>{about}</span></p>{table}"
    )


def _row(parameter: dict[str, Any]) -> str:
    meaning = html.escape(parameter.get("description") or parameter["schema"].get("description", ""))
    values = html.escape(_values(parameter["schema"]))
    return f"<tr><td><code>{html.escape(parameter['name'])}</code></td><td>{values}</td><td>{meaning}</td></tr>"


def _values(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "$ref" in schema:
        return ", ".join(Grouping)
    for inner in schema.get("anyOf", ()):
        if inner.get("type") != "null":
            return _values(inner)
    kind = str(schema.get("type", "text"))
    if kind == "array":
        return f"{_values(schema['items'])}; repeatable"
    bounds = f", {schema['minimum']:,} to {schema['maximum']:,}" if {"minimum", "maximum"} <= schema.keys() else ""
    return {"string": "text", "integer": "number", "boolean": "true or false"}.get(kind, kind) + bounds
