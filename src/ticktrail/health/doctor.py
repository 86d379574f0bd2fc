"""``ticktrail doctor``: check settings, n8n and the store.

One fault never hides the others: the store is checked although n8n is away, and n8n although a setting of the store
is malformed. The checks change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ticktrail.health.checks import Finding, Severity
from ticktrail.health.receiver_check import check_receiver
from ticktrail.health.settings_check import check_settings, has_way_in
from ticktrail.health.store_check import check_store
from ticktrail.settings.loading import load_valid_settings
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store

__all__ = ["examine"]

_OF_N8N = frozenset({"N8N_BASE_URL", "N8N_API_KEY", "N8N_API_PREFIX", "N8N_HEADERS", "N8N_CA_FILE"}) | {
    "N8N_BASIC_USER",
    "N8N_BASIC_PASS",
}
_OF_STORE = frozenset({"MONGODB_URI", "TICKTRAIL_STORE", "MONGODB_DATABASE"}) | {
    "MONGODB_STATUS_COLLECTION",
    "MONGODB_SENDS_COLLECTION",
}
_SHORTEST_SECRET = 6
"""A shorter secret cannot be removed from a sentence without damage."""


def examine(
    arguments: Mapping[str, str | None],
    environ: Mapping[str, str],
    directory: Path,
    open_configured_store: Callable[[Settings], Store],
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Finding, ...]:
    """Return the findings of all checks.

    Args:
        arguments: settings from the command line, by name.
        environ: the environment.
        directory: where ``.env`` is looked for.
        open_configured_store: opens the store of the settings.
        tell: called with the current check, in a few words.
    """
    settings, faults = load_valid_settings(arguments, environ, directory)
    unusable = {fault.name for fault in faults}
    findings = check_settings(settings, faults, datetime.now(UTC))
    known = None
    if unusable & _OF_STORE:
        of_store = [_left_out("store", "one of its settings is malformed (see above)")]
    else:
        tell("checking the store ...")
        of_store, known = check_store(settings, open_configured_store)
    if settings.n8n.database_url is not None:
        from ticktrail.health.database_check import check_database  # noqa: PLC0415 - loads a driver only where needed

        findings += check_database(settings)
    if settings.receives_alone:
        pass  # nothing is read from n8n
    elif settings.n8n.database_url is not None and not (settings.n8n.base_url and has_way_in(settings)):
        pass  # nothing is read through n8n's API
    elif unusable & _OF_N8N or not settings.n8n.base_url or not has_way_in(settings):
        findings.append(_left_out("n8n", "its settings are missing or malformed (see above)"))
    else:
        from ticktrail.health.n8n_check import check_n8n  # noqa: PLC0415 - loads the HTTP client only where needed

        findings += check_n8n(settings, known, tell)
    findings += of_store
    findings += check_receiver(settings, datetime.now(UTC))
    hide = _hider(settings)
    return tuple(
        msgspec.structs.replace(finding, says=hide(finding.says), remedy=hide(finding.remedy)) for finding in findings
    )


def _left_out(name: str, reason: str) -> Finding:
    return Finding(name=name, severity=Severity.UNKNOWN, says=f"Not checked: {reason}.")


def _hider(settings: Settings) -> Callable[[str], str]:
    """Return a function that removes secrets from a sentence: a second safeguard, as no finding should hold one."""
    n8n = settings.n8n
    secrets = [n8n.api_key, n8n.basic_pass, settings.heartbeat_url, *(value for _, value in n8n.headers)]
    secrets += [*settings.receiver.app_secrets, settings.receiver.verify_token]
    texts = {secret.reveal() for secret in secrets if secret is not None}
    for url in (settings.store_url, n8n.database_url):
        if url is not None and str(url) != url.reveal():
            texts.add(url.reveal())
    hidden = sorted((text for text in texts if len(text) >= _SHORTEST_SECRET), key=len, reverse=True)

    def hide(sentence: str) -> str:
        for text in hidden:
            sentence = sentence.replace(text, "***")
        return sentence

    return hide
