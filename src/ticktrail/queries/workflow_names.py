"""Names of workflows, as the executions that were synced have them."""

from __future__ import annotations

from collections.abc import Mapping

from ticktrail.stores import Store


def workflow_names(store: Store) -> Mapping[str, str]:
    """Return the names of the workflows that were synced into a store, by id."""
    facts = store.sync_state.facts() if store.exists() else {}
    return {scope.rsplit("|", 3)[1]: one.workflow_name for scope, one in facts.items() if one.workflow_name}
