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
