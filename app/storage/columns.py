"""What the columns of our tables are made of: moments, and JSON."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, Dialect, String
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field


def now() -> datetime:
    """The present, aware."""
    return datetime.now(UTC)


class Moment(TypeDecorator[datetime]):
    """An aware UTC time, kept as ISO text: sorts as it reads, and is the same on every database."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """To the database."""
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """From the database."""
        return None if value is None else datetime.fromisoformat(value)


def moment(*, nullable: bool = False) -> Any:
    """A column with a time; the present when nothing is given and it may not be empty."""
    return (
        Field(default=None, sa_column=Column(Moment, nullable=nullable))
        if nullable
        else Field(default_factory=now, sa_column=Column(Moment, nullable=False))
    )


def json(*, nullable: bool = False) -> Any:
    """A column with JSON; an empty object when nothing is given and it may not be empty."""
    if nullable:
        return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    return Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
