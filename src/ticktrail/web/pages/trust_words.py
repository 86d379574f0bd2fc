"""The words of the strip and of the page behind it: how complete the ledger is. Pure."""

from __future__ import annotations

NOTHING_YET = "nothing is known yet: no sync has run"
NO_SYNC_YET = "no sync with n8n has come through yet"
IMPORTED = "imported from files: nothing tells what n8n had beside them"
COMPLETE = "complete up to {moment}"
LATE = "the last sync was {age} ago"
SYNC_FAILED = "the last sync failed"
GAPS_MORE = "and {gaps} more"
STORE_REFUSED = "{executions} with something the store would not take"
FILTERED = "no message ever came with {statuses}: the trigger may filter it"
OR = " or "
WITHHELD = "{executions} n8n would not show ({reasons})"
OTHER_REASONS = "for another reason"
CHECKED = "checked {settled:,} of {executions}"
GAP = "nothing known from {first} to {last}: n8n deleted these executions before they were read"
GAP_OF_IDS = "nothing known between executions {first} and {last}: n8n deleted those before they were read"

LEVELS = {"good": "Yes.", "warn": "Yes, but for what stands below.", "bad": "Not as it stands."}
UNKNOWN = "That cannot be told."
HELD = "{messages} in the ledger"
LATEST_RUNS = "Latest runs"
NO_RUNS = "No sync of n8n is on record."
NO_RUNS_HINT = "What is here was imported, or stored by another tool."
WORKFLOW = "Workflow {workflow}"
LOOKED_AT = "What was looked at"
COMPLETE_FACT = "Complete up to"
WALKED = "Whole list checked"
NEWEST = "Newest execution"
OLDEST = "Oldest left in n8n"
NEVER = "never"
NONE_YET = "none yet"
STARTED = "{execution}, started {moment}"
GAPS = "Gaps"
LOST = "Deleted by n8n before they could be read"
LOST_ONE = "execution {execution}: {reason}"
NOT_KNOWN = "not known"
OPEN = "Executions still to be read"
OPEN_HEADINGS = ("Execution", "Why", "First met", "Next look")
OPEN_KINDS = {
    "unfinished": "not finished yet",
    "not_shown": "n8n would not show it",
    "crashed": "crashed, looked at again",
    "refused": "the store would not take it",
}
RUN_HEADINGS = ("Began", "Took", "Executions", "New statuses", "How it ended")
CAME_THROUGH = "done"
ENDED_BADLY = "failed"
