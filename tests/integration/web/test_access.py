"""Access: tokens, logins, hosts, origins, and how refused requests are answered."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient
from tests.integration.web.conftest import TOKEN, VIEWER_TOKEN, Open, bearer, settings_of

from ticktrail.errors import ConfigurationError
from ticktrail.settings.settings import Secret
from ticktrail.web.roles import Access, Role, access_for, is_loopback
from ticktrail.web.security.middleware import SESSION_COOKIE
from ticktrail.web.security.rate_limit import MAX_FAILURES, WINDOW_SECONDS, LoginAttempts

BOTH = Access(tokens={Role.FULL: Secret(TOKEN), Role.VIEWER: Secret(VIEWER_TOKEN)})
TOKENS = {"TICKTRAIL_DASHBOARD_TOKEN": TOKEN, "TICKTRAIL_DASHBOARD_VIEWER_TOKEN": VIEWER_TOKEN}
ELSEWHERE = "http://ticktrail.example.com"

PROTECTED = (
    *("/", "/api/v1/messages", "/api/v1/messages/x", "/api/v1/stats", "/api/v1/conversations/966500000054"),
    *("/api/v1/health", "/api/v1/sync/runs", "/api/v1/openapi.json", "/api/v1/docs", "/metrics", "/nothing", "/logout"),
    *("/live", "/messages.csv", "//login", "/login/", "/healthz/x", "/LOGIN"),
)


@pytest.fixture
def guarded_here(open_dashboard: Open) -> TestClient:
    """A dashboard with a token for each role, and no store yet."""
    return open_dashboard("0.0.0.0", base_url=ELSEWHERE, **TOKENS)  # noqa: S104


# --- starting


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "ticktrail.example.com", ""])  # noqa: S104
def test_listening_for_other_machines_requires_a_token(tmp_path: Path, host: str) -> None:
    """Without a token, an address that others can reach is refused, with the setting in the remedy."""
    with pytest.raises(ConfigurationError) as caught:
        access_for(settings_of(tmp_path), host)
    assert "TICKTRAIL_DASHBOARD_TOKEN" in caught.value.remedy
    assert not access_for(settings_of(tmp_path, TICKTRAIL_DASHBOARD_TOKEN=TOKEN), host).is_open


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3", "LOCALHOST"])
def test_a_loopback_address_requires_no_token(tmp_path: Path, host: str) -> None:
    """Without a token it is open; with one, the token is required there too."""
    assert is_loopback(host)
    assert access_for(settings_of(tmp_path), host).is_open
    assert not access_for(settings_of(tmp_path, TICKTRAIL_DASHBOARD_TOKEN=TOKEN), host).is_open


def test_a_token_may_come_from_a_file(tmp_path: Path) -> None:
    """TICKTRAIL_DASHBOARD_TOKEN_FILE names the file."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    settings = settings_of(tmp_path, TICKTRAIL_DASHBOARD_TOKEN_FILE="token")  # noqa: S106 - a file's name
    assert access_for(settings, "0.0.0.0").role_by_token(TOKEN) is Role.FULL  # noqa: S104


@pytest.mark.parametrize(
    "environ",
    [
        {"TICKTRAIL_DASHBOARD_VIEWER_TOKEN": VIEWER_TOKEN},
        {"TICKTRAIL_DASHBOARD_TOKEN": TOKEN, "TICKTRAIL_DASHBOARD_VIEWER_TOKEN": TOKEN},
    ],
)
def test_useless_tokens_are_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    """A viewer's token alone, or the same token twice, is an error that names the setting."""
    with pytest.raises(ConfigurationError, match="TICKTRAIL_DASHBOARD_VIEWER_TOKEN"):
        access_for(settings_of(tmp_path, **environ), "127.0.0.1")


@pytest.mark.parametrize(
    "token", ["short", "a" * 40, "with a space in the middle", "x" * 600, "naïve-token-0123456789"]
)
def test_a_weak_token_is_refused(tmp_path: Path, token: str) -> None:
    """A token that is short or cannot be sent in a header is refused, and not repeated in the error."""
    with pytest.raises(ConfigurationError) as caught:
        settings_of(tmp_path, TICKTRAIL_DASHBOARD_TOKEN=token)
    assert "TICKTRAIL_DASHBOARD_TOKEN" in str(caught.value)
    assert token not in str(caught.value)


def test_no_secret_is_in_a_repr() -> None:
    """The repr of Access contains no token."""
    assert TOKEN not in repr(BOTH)
    assert VIEWER_TOKEN not in repr(BOTH)


# --- tokens


@pytest.mark.parametrize(
    ("text", "role"),
    [
        (TOKEN, Role.FULL),
        (VIEWER_TOKEN, Role.VIEWER),
        (TOKEN[:-1], None),
        (f"{TOKEN}x", None),
        (TOKEN.upper(), None),
        ("", None),
        ("\ud800", None),
        ("x" * 1_000_000, None),
    ],
)
def test_a_token_gives_its_role(text: str, role: Role | None) -> None:
    """Only the exact token is accepted, each for its own role."""
    assert BOTH.role_by_token(text) is role


def test_an_address_that_guesses_is_told_to_wait() -> None:
    """From the eleventh failure on, an address waits until the first is five minutes old, with its IPv6 network."""
    attempts = LoginAttempts()
    for second in range(MAX_FAILURES):
        assert attempts.failed(f"2001:db8::{second + 1}", second) == 0
    assert attempts.failed("2001:db8::ffff", MAX_FAILURES) == WINDOW_SECONDS - MAX_FAILURES
    assert attempts.failed("2001:db8:0:1::1", MAX_FAILURES) == 0
    assert attempts.failed("2001:db8::1", WINDOW_SECONDS + MAX_FAILURES) == 0


def test_memory_of_failures_is_bounded() -> None:
    """At most 10,000 addresses are remembered."""
    attempts = LoginAttempts()
    for number in range(10_050):
        attempts.failed(f"10.{number // 65_536}.{number // 256 % 256}.{number % 256}", 0)
    assert len(attempts._failures) == 10_000


# --- requests with and without a token


@pytest.mark.parametrize("path", PROTECTED)
def test_a_request_without_a_valid_token_is_refused(guarded_here: TestClient, path: str) -> None:
    """Without a token, with a wrong one, or with a forged cookie, every path is a 401 that says why."""
    for headers in ({}, bearer("wrong"), {"Cookie": f"{SESSION_COOKIE}=full.9999999999.{'0' * 64}"}):
        answer = guarded_here.request("GET", f"{ELSEWHERE}{path}", headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["remedy"]
        # A mistyped token is told apart from a missing one.
        assert ("token is wrong" in answer.json()["detail"]) == ("Authorization" in headers)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login"])
def test_login_and_probes_need_no_token(guarded_here: TestClient, path: str) -> None:
    """The probes and the login page answer everybody."""
    assert guarded_here.get(path).status_code in {200, 503}


@pytest.mark.parametrize("token", [TOKEN, VIEWER_TOKEN])
def test_both_tokens_allow_api_and_metrics(guarded_here: TestClient, token: str) -> None:
    """Programs may use either token."""
    for path in ("/api/v1/messages", "/api/v1/stats", "/api/v1/docs", "/api/v1/openapi.json", "/metrics"):
        assert guarded_here.get(path, headers=bearer(token)).status_code == 200


def test_a_token_in_the_address_is_ignored(guarded_here: TestClient) -> None:
    """Addresses end up in logs, so a token there is not accepted."""
    for name in ("token", "access_token", "authorization"):
        assert guarded_here.get(f"/metrics?{name}={TOKEN}").status_code == 401


def test_a_browser_is_sent_to_the_login_and_back(guarded_here: TestClient) -> None:
    """After the login, the browser gets to the page it asked for."""
    answer = guarded_here.get("/period?days=7", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    page = guarded_here.get(answer.headers["location"])
    assert 'type="password"' in page.text
    assert 'value="/period?days=7"' in page.text
    wanted = parse_qs(urlsplit(answer.headers["location"]).query)["next"][0]
    back = guarded_here.post("/login", data={"token": TOKEN, "next": wanted})
    assert (back.status_code, back.headers["location"]) == (303, "/period?days=7")


def test_the_session_cookie_is_protected(guarded_here: TestClient) -> None:
    """The cookie is HttpOnly and SameSite=Strict, behind https also Secure, and gives the rights of the token."""
    answer = guarded_here.post("/login", data={"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    assert guarded_here.get("/api/v1/messages").status_code == 200
    assert guarded_here.get("/api/v1/health").json()["store"]
    behind = guarded_here.post("/login", data={"token": TOKEN}, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in behind.headers["set-cookie"]


def test_a_logout_ends_the_session(guarded_here: TestClient, open_dashboard: Open) -> None:
    """After logging out, a copied cookie is refused, also after a restart; another session continues."""
    guarded_here.post("/login", data={"token": VIEWER_TOKEN})
    copied = {"Cookie": f"{SESSION_COOKIE}={guarded_here.cookies[SESSION_COOKIE]}"}
    guarded_here.post("/login", data={"token": VIEWER_TOKEN})
    other = {"Cookie": f"{SESSION_COOKIE}={guarded_here.cookies[SESSION_COOKIE]}"}
    guarded_here.cookies.clear()
    assert guarded_here.post("/logout", headers=copied).status_code == 303
    restarted = open_dashboard("0.0.0.0", base_url=ELSEWHERE, **TOKENS)  # noqa: S104
    for client in (guarded_here, restarted):
        assert client.get("/metrics", headers=copied).status_code == 401
        assert client.get("/metrics", headers=other).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        *("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "evil", "", "/login"),
        *("/\t/evil.example", "/a\r\nSet-Cookie: x=y", "/" + "a" * 3_000),
    ],
)
def test_the_login_redirects_to_this_server_only(guarded_here: TestClient, wanted: str) -> None:
    """A link to another server or a malformed one leads to the first page."""
    answer = guarded_here.post("/login", data={"token": TOKEN, "next": wanted})
    assert answer.headers["location"] == "/"


def test_the_login_page_escapes_the_link(guarded_here: TestClient) -> None:
    """Text from the address is escaped."""
    page = guarded_here.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text


def test_after_ten_wrong_tokens_only_the_right_one_works(guarded_here: TestClient) -> None:
    """More wrong tokens are a 429 with Retry-After; the right one is accepted."""
    for number in range(MAX_FAILURES):
        if number % 2:
            assert guarded_here.get("/metrics", headers=bearer(f"wrong-{number}")).status_code == 401
        else:
            assert guarded_here.post("/login", data={"token": f"wrong-{number}"}).status_code == 401
    assert guarded_here.post("/login", data={"token": "wrong"}).status_code == 429
    refused = guarded_here.get("/metrics", headers=bearer("wrong"))
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 300
    assert guarded_here.get("/metrics", headers=bearer(TOKEN)).status_code == 200
    assert guarded_here.post("/login", data={"token": VIEWER_TOKEN}).status_code == 303
    assert guarded_here.get("/metrics").status_code == 200


@pytest.mark.parametrize("body", [b"token=" + b"x" * 9_000, b"&".join(b"a=b" for _ in range(50)), b"\xff\xfe%ff=%00"])
def test_a_malformed_form_is_refused(guarded_here: TestClient, body: bytes) -> None:
    """A form that is too large, has too many fields or is not text is a 4xx."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert guarded_here.post("/login", content=body, headers=headers).status_code in {400, 401, 413}


# --- the origin of a request


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(
            (host, 200)
            for host in ("127.0.0.1:8765", "localhost:8765", "localhost", "[::1]:8765", "LOCALHOST:1", "127.1.2.3")
        ),
        *(
            (host, 403)
            for host in ("evil.example", "127.0.0.1.evil.example", "192.168.1.5:8765", "localhost.evil.example")
        ),
        *((host, 400) for host in ("", "a b", "evil.example@127.0.0.1", "127.0.0.1:x", "[::1", "a/b", "x" * 300)),
    ],
)
def test_without_a_token_only_loopback_hosts_are_answered(open_dashboard: Open, host: str, status: int) -> None:
    """A page whose name points to this machine (DNS rebinding) is refused."""
    answer = open_dashboard().get("/api/v1/health", headers={"Host": host})
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Proto"])
def test_without_a_token_a_proxy_is_refused(open_dashboard: Open, header: str) -> None:
    """A proxy would make the dashboard public, so the answer says to set a token."""
    answer = open_dashboard().get("/api/v1/health", headers={header: "x"})
    assert answer.status_code == 403
    assert "TICKTRAIL_DASHBOARD_TOKEN" in answer.json()["remedy"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:8765"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "file://"}, 403),
        ({"Origin": "http://["}, 403),
    ],
)
def test_pages_of_other_sites_are_refused(open_dashboard: Open, headers: dict[str, str], status: int) -> None:
    """Following a link from another site is allowed; fetching, posting and framing are refused."""
    assert open_dashboard().get("/api/v1/health", headers=headers).status_code == status


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_site_cannot_log_in_or_out(guarded_here: TestClient, headers: dict[str, str]) -> None:
    """A form of another site is refused (CSRF)."""
    data = {"token": TOKEN}
    assert guarded_here.post("/login", data=data, headers=headers).status_code == 403
    assert guarded_here.post("/logout", headers={**headers, **bearer(TOKEN)}).status_code == 403


def test_a_link_from_another_site_needs_no_second_login(guarded_here: TestClient) -> None:
    """A click on a link in a mail comes without the strict cookie, so the page reloads itself."""
    elsewhere = {"Accept": "text/html", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = guarded_here.get("/period", headers=elsewhere)
    assert answer.status_code == 200
    assert re.search(r'http-equiv="refresh" content="0"', answer.text)
    here = {**elsewhere, "Sec-Fetch-Site": "same-origin"}
    assert guarded_here.get("/period", headers=here).status_code == 303


# --- headers and limits


@pytest.mark.parametrize("path", ["/healthz", "/login", "/api/v1/docs", "/api/v1/nothing", "/metrics", "/nothing"])
def test_every_answer_has_security_headers(guarded_here: TestClient, path: str) -> None:
    """Answers, also refusals, forbid framing, sniffing and caching; those for programs forbid scripts."""
    for headers in ({}, bearer(TOKEN)):
        found = guarded_here.get(path, headers=headers).headers
        assert found["x-content-type-options"] == "nosniff"
        assert found["x-frame-options"] == "DENY"
        assert found["referrer-policy"] == "same-origin"
        assert found["cache-control"] == "no-store"
        policy = found["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe-eval" not in policy
        if path not in {"/nothing", "/login"}:
            assert "script-src" not in policy
        else:
            assert "script-src 'self'; style-src 'self';" in policy


def test_the_size_of_a_request_is_limited(open_dashboard: Open) -> None:
    """Path, query and body have limits, also a body without a length."""
    client = open_dashboard()
    assert client.get("/" + "a" * 3_000).status_code == 414
    assert client.get("/api/v1/messages?campaign=" + "a" * 9_000).status_code == 414
    assert client.post("/login", content=b"x" * 1_100_000).status_code == 413
    assert client.post("/login", content=(b"x" * 100_000 for _ in range(20))).status_code == 413
