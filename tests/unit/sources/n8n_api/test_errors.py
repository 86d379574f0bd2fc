"""Errors made of n8n's answers."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from urllib.parse import quote, quote_plus

import httpx2

from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.errors import ApiResponse, fault_in


def test_an_answer_that_repeats_the_request_gives_no_secret_away() -> None:
    """A 400 that echoes the headers shows neither key, header values nor credentials, and no escape sequence."""
    settings = N8nSettings(
        base_url="https://n8n.example.com",
        api_key=Secret("n8n-api-key-of-the-tests"),
        basic_user="user",
        basic_pass=Secret("pass-of-the-tests"),
        headers=(("X-Access", Secret("header-of-the-tests")),),
    )
    credentials = b64encode(b"user:pass-of-the-tests").decode()
    echo = f"\x1b[31m bad: Basic {credentials} header-of-the-tests n8n-api-key-of-the-tests pass-of-the-tests \x9b31m"
    body = json.dumps({"message": echo}).encode()
    answer = ApiResponse(status=400, headers=httpx2.Headers(), body=body, size=len(body), seconds=0.0)
    text = str(fault_in(answer, settings))
    for secret in (credentials, "header-of-the-tests", "n8n-api-key-of-the-tests", "pass-of-the-tests", "\x1b", "\x9b"):
        assert secret not in text
    assert "bad: Basic" in text


def test_an_answer_that_encodes_the_request_gives_no_secret_away() -> None:
    """A secret is hidden in the forms that URLs, HTML, JSON, base64 and other capitals give it too."""
    value = "head/er+of the & tests"
    settings = N8nSettings(base_url="https://n8n.example.com", headers=(("X-Access", Secret(value)),))
    encoded = b64encode(value.encode()).decode()
    for form in (quote(value, safe=""), quote_plus(value), html.escape(value), value.upper(), encoded):
        body = json.dumps({"message": f"bad: {form} end"}).encode()
        answer = ApiResponse(status=400, headers=httpx2.Headers(), body=body, size=len(body), seconds=0.0)
        assert "bad: … end" in str(fault_in(answer, settings))


def test_an_answer_that_cuts_or_folds_a_secret_gives_no_part_of_it_away() -> None:
    """A proxy may echo the beginning of a long key, or wrap it: no eight characters of it in a row are shown."""
    key = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvd25lciJ9.sig-of-the-tests"
    settings = N8nSettings(base_url="https://n8n.example.com", api_key=Secret(key))
    for form in (
        key[:30],
        key[-30:],
        f"{key[:25]}\n {key[25:]}",
        f"{key[:25]}\u200b{key[25:]}",
        f"{key[:25]}\x1b{key[25:]}",
    ):
        body = json.dumps({"message": f"bad key: {form} end"}).encode()
        answer = ApiResponse(status=400, headers=httpx2.Headers(), body=body, size=len(body), seconds=0.0)
        text = str(fault_in(answer, settings))
        assert "bad key: " in text
        assert not any(key[start : start + 8] in text for start in range(len(key) - 8))
