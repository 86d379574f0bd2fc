"""Every error Ticktrail raises, grouped by what to do next.

    TicktrailError
    ├── ConfigurationError     fix a setting or an argument, then run again   (exit 2)
    │   └── SettingsError            what stands in the settings, whatever was asked
    ├── NotFoundError          the thing asked for is not there               (exit 3)
    ├── RetriableError         wait: the next run continues where this ended  (exit 1)
    │   ├── SourceUnavailableError   n8n did not answer, or not as n8n
    │   └── StoreUnavailableError    the store did not answer
    │       └── StoreReplacedError   the store file was deleted or replaced while it was open
    └── FatalError             stop: going on would not be safe               (exit 1)
        ├── SourceRefusedError       n8n refused: key, scope, workflow, prefix
        └── StoreRefusedError        the store refused: rights, indexes, version

A message says what happened, what is safe, and what to type next, each on a line of its own where it
needs one. No message holds a secret or a whole phone number.
"""

from __future__ import annotations


class TicktrailError(Exception):
    """The root: catch this to catch everything Ticktrail raises on purpose.

    Attributes:
        remedy: what the user can do about it, one sentence, or an empty string.
        exit_code: what the command line exits with.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class ConfigurationError(TicktrailError):
    """A setting or an argument is missing or malformed; the message names it and shows a good one."""

    exit_code = 2


class SettingsError(ConfigurationError):
    """What stands in the settings cannot be used: not the fault of whoever asks a dashboard, nor theirs to mend."""


class NotFoundError(TicktrailError):
    """What was asked for does not exist where it was looked for."""

    exit_code = 3


class RetriableError(TicktrailError):
    """Nothing was lost and nothing is wrong with the settings: the next run continues."""


class SourceUnavailableError(RetriableError):
    """The source did not answer, answered 5xx, or answered something that is not n8n."""


class StoreUnavailableError(RetriableError):
    """The store could not be reached or went away in the middle of the work."""


class StoreReplacedError(StoreUnavailableError):
    """The store file was deleted or replaced while it was open: the next use opens the file at its path."""


class FatalError(TicktrailError):
    """Something must be mended before going on makes sense."""


class SourceRefusedError(FatalError):
    """The source answered and refused: a bad key, a missing scope, an unknown workflow."""


class StoreRefusedError(FatalError):
    """The store answered and refused: no rights, duplicates, an index in the way, a version too old."""
