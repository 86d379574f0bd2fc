"""Checking Meta's signature."""

from __future__ import annotations

import pytest
from tests.support.webhooks import APP_SECRET, signature

from ticktrail.receiver.signature import is_signed

BODY = b'{"object": "whatsapp_business_account"}'
OTHER = "fedcba9876543210fedcba9876543210"


@pytest.mark.parametrize("secrets", [(APP_SECRET,), (OTHER, APP_SECRET)], ids=["one app", "several apps"])
def test_a_body_signed_with_one_of_the_secrets_is_accepted(secrets: tuple[str, ...]) -> None:
    """Any of the configured app secrets may have signed the body."""
    assert is_signed(BODY, signature(BODY).encode(), [secret.encode() for secret in secrets])


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"sha256=",
        signature(BODY, OTHER).encode(),
        signature(BODY + b" ").encode(),
        signature(BODY).replace("sha256", "sha1").encode(),
        signature(BODY).upper().encode(),
        signature(BODY).encode()[:-1],
    ],
)
def test_anything_else_is_refused(header: bytes | None) -> None:
    """A missing, foreign, cut or re-cased signature does not match."""
    assert not is_signed(BODY, header, [APP_SECRET.encode()])
