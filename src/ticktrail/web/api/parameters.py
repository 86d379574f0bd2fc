"""Query parameters of the API; those that choose messages and sends are derived from the table of conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from ticktrail.messages.filters import Grouping
from ticktrail.queries.condition import Condition, Kind
from ticktrail.queries.filter_conditions import MESSAGE_CONDITIONS, SEND_CONDITIONS
from ticktrail.queries.filter_values import LARGEST_CODE

MOST = 1_000
"""Largest number of messages, sends or groups in one answer."""

_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"

Text = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_PRINTABLE)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[A-Za-z0-9_-]+$")]
_Status = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=_PRINTABLE)]
_Code = Annotated[int, Field(ge=0, le=LARGEST_CODE)]

Model = TypeVar("Model", bound="Conditions")


class Parameters(BaseModel):
    """Query parameters; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid")


class Conditions(Parameters):
    """Parameters that choose messages or sends. Every condition that is given must hold."""

    table: ClassVar[tuple[Condition[Any], ...]] = ()

    def given(self) -> dict[str, Any]:
        """Return the conditions by name, for :mod:`ticktrail.queries.filter_parsing`; the page's limit is left out."""
        values = {one.name: getattr(self, one.name, None) for one in self.table if one.kind is not Kind.COUNT}
        return {name: tuple(map(str, value)) if isinstance(value, list) else value for name, value in values.items()}


def with_conditions(table: tuple[Condition[Any], ...], *, paged: bool) -> Callable[[type[Model]], type[Model]]:
    """Add a parameter for each condition of a table to a model.

    Args:
        paged: with the order, the limit and the cursor of a page.
    """

    def add(model: type[Model]) -> type[Model]:
        fields: dict[str, Any] = {
            one.name: _field(one) for one in table if one.in_api and (paged or not _is_paging(one))
        }
        made: type[Model] = create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)
        made.table = table
        return made

    return add


def _is_paging(condition: Condition[Any]) -> bool:
    return condition.kind in {Kind.CHOICE, Kind.COUNT, Kind.CURSOR}


def _field(condition: Condition[Any]) -> tuple[Any, Any]:
    """Return the type and default of a condition's parameter."""
    text = condition.help
    match condition.kind:
        case Kind.FLAG:
            return bool, Field(default=False, description=text)
        case Kind.TEXTS:
            return list[_Status], Field([], max_length=20, description=text)
        case Kind.CODES:
            return list[_Code], Field([], max_length=50, description=text)
        case Kind.CHOICE:
            return Literal[condition.choices], Field(condition.choices[0], description=text)
        case Kind.COUNT:
            return int, Field(100, ge=1, le=MOST, description=text)
        case Kind.CURSOR:
            return Token | None, Field(None, description="Cursor: the previous answer's next; repeat the parameters.")
        case Kind.TEXT:
            return Text | None, Field(None, description=text)


@with_conditions(MESSAGE_CONDITIONS, paged=True)
class Listing(Conditions):
    """Conditions, order and page of a list of messages."""

    if TYPE_CHECKING:
        wa_id: str | None
        limit: int
        after: str | None


@with_conditions(SEND_CONDITIONS, paged=True)
class SendListing(Conditions):
    """Conditions and page of a list of sends."""

    if TYPE_CHECKING:
        limit: int
        after: str | None


@with_conditions(MESSAGE_CONDITIONS, paged=False)
class FiguresOf(Conditions):
    """Conditions and grouping of statistics."""

    if TYPE_CHECKING:
        wa_id: str | None

    by: Grouping | None = Field(None, description="Group by.")
    limit: int = Field(
        100, ge=1, le=MOST, description="Maximum number of groups: those with the most failures; of times the latest."
    )


class Thread(Parameters):
    """Order and page of a person's conversation."""

    sort: Literal["newest", "oldest"] = Field("oldest", description="Order of the messages.")
    limit: int = Field(100, ge=1, le=MOST, description="Maximum number of results.")
    after: Token | None = Field(None, description="Cursor: the previous answer's next; repeat the parameters.")


class Last(Parameters):
    """Number of the newest results."""

    limit: int = Field(50, ge=1, le=500, description="Maximum number of results.")
