"""What programs may do: ask. HEAD is answered wherever GET is, everything else is refused in a way programs read."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticktrail.web.problem_details import problem
from ticktrail.web.security.headers import under

READ_ONLY = ("/api", "/metrics", "/healthz", "/readyz")


class ReadOnly:
    """Stands before the paths for programs; the pages, which have all the rest, would answer people."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a GET on, a HEAD as a GET whose body is dropped; answer 405 to what is neither."""
        if scope["type"] != "http" or not under(scope["path"], READ_ONLY) or scope["method"] == "GET":
            await self.app(scope, receive, send)
            return
        if scope["method"] != "HEAD":
            refusal = problem(405, "This is only for reading.", headers={"Allow": "GET, HEAD"})
            await refusal(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, without_body)
