"""``ticktrail doctor``: looks at settings, n8n and the store, and says what is wrong with its remedy.

One fault never hides the others: a store is tried although n8n is away, and n8n although a setting of the store
cannot be used. Nothing is changed anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ticktrail.health import settings_check as setup
from ticktrail.health import store_check as ledger
from ticktrail.health.checks import Finding, Severity
from ticktrail.health.receiver_check import check_receiver
from ticktrail.settings.settings import Settings, load_sound_settings
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
"""A shorter one cannot be taken out of a sentence without damage, and keeps nobody out."""


def examine(
    arguments: Mapping[str, str | None],
    environ: Mapping[str, str],
    directory: Path,
    open_configured_store: Callable[[Settings], Store],
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Finding, ...]:
    """Look at everything.

    Args:
        arguments: settings from the command line, by name.
        environ: the environment.
        directory: where ``.env`` is looked for.
        open_configured_store: opens the store that settings name.
        tell: is told what is being looked at, in a few words.
    """
    settings, faults = load_sound_settings(arguments, environ, directory)
    unusable = {fault.name for fault in faults}
    findings = setup.look(settings, faults, datetime.now(UTC))
    if unusable & _OF_N8N or not settings.n8n.base_url or not setup.has_way_in(settings):
        findings.append(_left_out("n8n", "how to reach n8n is not set, or cannot be used (see above)"))
    else:
        from ticktrail.health.n8n_check import look  # noqa: PLC0415 - the HTTP client loads when there is an n8n to ask

        findings += look(settings, tell)
    if unusable & _OF_STORE:
        findings.append(_left_out("store", "a setting that says where it is cannot be used (see above)"))
    else:
        tell("looking at the store ...")
        findings += ledger.look(settings, open_configured_store)
    findings += check_receiver(settings, datetime.now(UTC))
    hide = _hider(settings)
    return tuple(
        msgspec.structs.replace(finding, says=hide(finding.says), remedy=hide(finding.remedy)) for finding in findings
    )


def _left_out(name: str, reason: str) -> Finding:
    return Finding(name=name, severity=Severity.UNKNOWN, says=f"Not looked at: {reason}.")


def _hider(settings: Settings) -> Callable[[str], str]:
    """What takes the secrets out of a sentence. None should be in one; this is the second lock on the door."""
    n8n = settings.n8n
    secrets = [n8n.api_key, n8n.basic_pass, settings.heartbeat_url, *(value for _, value in n8n.headers)]
    secrets += [*settings.receiver.app_secrets, settings.receiver.verify_token]
    texts = {secret.reveal() for secret in secrets if secret is not None}
    if str(settings.store_url) != settings.store_url.reveal():
        texts.add(settings.store_url.reveal())
    hidden = sorted((text for text in texts if len(text) >= _SHORTEST_SECRET), key=len, reverse=True)

    def hide(sentence: str) -> str:
        for text in hidden:
            sentence = sentence.replace(text, "***")
        return sentence

    return hide
