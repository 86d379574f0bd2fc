"""The pages alone on a port of this machine, for the tests: ``python serve_pages.py FOLDER PORT``.

The environment says which store, the folder is where settings are looked for.

Who has a cookie ``role=viewer`` is a viewer, everybody else may see everything.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request

from ticktrail.settings.loading import load_settings
from ticktrail.stores.opening import open_conversations
from ticktrail.web.cache import QueryCache
from ticktrail.web.pages.routes import mount
from ticktrail.web.security.headers import SecurityHeaders
from ticktrail.web.store_pool import open_store_pool


class RoleByCookie:
    """Stands for the server's own access."""

    is_open = True

    def role_of(self, request: Request) -> str:
        """The role that the cookie names."""
        return "viewer" if request.cookies.get("role") == "viewer" else "full"


def main() -> None:
    """Serve until ended."""
    folder, port = sys.argv[1:]
    environ = {"N8N_BASE_URL": "https://n8n.example.com", "TICKTRAIL_TIMEZONE": "Asia/Riyadh", **os.environ}
    settings = load_settings({}, environ, Path(folder))
    app = FastAPI(openapi_url=None)
    app.add_middleware(SecurityHeaders)
    mount(
        app, settings, QueryCache(open_store_pool(settings)), RoleByCookie(), conversations=open_conversations(settings)
    )
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
