"""Keyset pagination: a cursor names the last row of the page before, so that pages stay right while rows are added."""

import base64
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlmodel import Session, SQLModel
from sqlmodel.sql.expression import SelectOfScalar

Row = TypeVar("Row", bound=SQLModel)


class BadCursor(ValueError):
    """The cursor was not made by this server."""


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, and the cursor of the next ones."""

    items: list[Row]
    next_cursor: str | None


def page(
    session: Session,
    statement: SelectOfScalar[Row],
    column: Any,
    *,
    cursor: str | None,
    limit: int,
    newest_first: bool = True,
) -> Page[Row]:
    """One page of `statement` ordered by a unique column; `cursor` is the `next_cursor` of the page before."""
    if cursor is not None:
        last = _decode(cursor, number=column.type.python_type is int)
        statement = statement.where(column < last if newest_first else column > last)
    rows = list(session.exec(statement.order_by(column.desc() if newest_first else column.asc()).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(rows, _encode(getattr(rows[-1], column.key)) if more else None)


def _encode(value: object) -> str:
    return base64.urlsafe_b64encode(str(value).encode()).decode().rstrip("=")


def _decode(cursor: str, *, number: bool) -> int | str:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError as error:  # no Base64, or no UTF-8 in it
        raise BadCursor(cursor) from error
    if number and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadCursor(cursor)
    if not text.isprintable():
        raise BadCursor(cursor)
    return int(text) if number else text
