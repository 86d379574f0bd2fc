"""The pages alone on a port of this machine, for the tests: ``python serve_pages.py STORE PORT``.

Who has a cookie ``role=viewer`` is a viewer, everybody else may see everything. STORE is a file or a URL; where a
conversation is kept beside it, the environment says.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request

from ticktrail.config import load_settings
from ticktrail.dashboard.pages import mount


class RoleByCookie:
    """Stands for the server's own access."""

    def role_of(self, request: Request) -> str:
        """The role that the cookie names."""
        return "viewer" if request.cookies.get("role") == "viewer" else "full"


def main() -> None:
    """Serve until ended."""
    store, port = sys.argv[1:]
    environ = {"N8N_BASE_URL": "https://n8n.example.com", "TICKTRAIL_TIMEZONE": "Asia/Riyadh"}
    kept = ("MONGODB_DATABASE", "MONGODB_CONVERSATIONS_COLLECTION")
    environ |= {name: os.environ[name] for name in kept if name in os.environ}
    settings = load_settings({"TICKTRAIL_STORE": store}, environ, Path.cwd())
    app = FastAPI()
    mount(app, settings, RoleByCookie())
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
