"""The store, tried: can it be reached and written, and what is missing?"""

from __future__ import annotations

from collections.abc import Callable

from ticktrail.errors import TicktrailError
from ticktrail.health.checks import Finding, Severity, check_clock
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.results import StoreState

_LITTLE_BYTES = 200_000_000


def look(settings: Settings, open_configured_store: Callable[[Settings], Store]) -> list[Finding]:
    """What there is to say of the store that the settings name."""
    try:
        with open_configured_store(settings) as store:
            return _judge(store.check(), store.location)
    except TicktrailError as error:
        return [_finding("store", Severity.FAULT, str(error), error.remedy)]


def _judge(state: StoreState, location: str) -> list[Finding]:
    findings = [_finding("store", Severity.FAULT, str(fault), fault.remedy) for fault in state.faults]
    if not findings:
        says = (
            f"{location} can be read and written ({state.server})."
            if state.exists
            else f"There is no ledger at {location} yet; the first sync can make it ({state.server})."
        )
        findings.append(_finding("store", Severity.OK, " ".join(filter(None, [says, state.remark]))))
    if state.missing_indexes:
        names = ", ".join(state.missing_indexes)
        lacks = f"{len(state.missing_indexes)} {'index is' if len(state.missing_indexes) == 1 else 'indexes are'}"
        findings.append(_finding("indexes", Severity.OK, f"{lacks} missing ({names}); the next sync makes them."))
    elif state.exists and not state.faults:
        findings.append(_finding("indexes", Severity.OK, "All indexes are there."))
    if state.free_bytes is not None and state.free_bytes < _LITTLE_BYTES:
        findings.append(
            _finding(
                "disk",
                Severity.WARNING,
                f"The disk of {location} has only {state.free_bytes // 1_000_000:,} MB left.",
                "Make room on it: when it is full, no status can be stored.",
            )
        )
    if state.clock is not None:
        said, now = state.clock
        findings.append(check_clock(said, now, whose="the store's server", name="store clock"))
    return findings


def _finding(name: str, severity: Severity, says: str, remedy: str = "") -> Finding:
    return Finding(name=name, severity=severity, says=says, remedy=remedy)
