"""Which blobs are needed: those that any row names, in whatever column, so that a new table needs no mention here."""

import re

from sqlalchemy import ColumnElement, Text, case, cast, select
from sqlmodel import Session, SQLModel, col

from app.storage.tables import OffloadModelRow, TrainingJobRow

_SHA256 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")

_OF_OTHER_THINGS = frozenset({"dataset_sample", "event", "idempotency"})
"""Tables whose hashes are those of samples, or tell what once was."""

_ROWS_THAT_NEED: dict[str, ColumnElement[bool]] = {"offload_model": col(OffloadModelRow.deleted).is_(False)}
"""A deleted version keeps its row for its number, and not its file."""

_WHILE_NEEDED: dict[str, ColumnElement[object]] = {
    "training_job.offload": case(
        (col(TrainingJobRow.state).in_(("queued", "running")), col(TrainingJobRow.offload)), else_=None
    )
}
"""What a session sent to be trained from; its own row names it for as long as the session is there."""


def named_blobs(session: Session) -> set[str]:
    """Every SHA-256 that is named."""
    found: set[str] = set()
    for table in SQLModel.metadata.sorted_tables:
        if table.name in _OF_OTHER_THINGS:
            continue
        texts = [cast(_WHILE_NEEDED.get(f"{table.name}.{column.name}", column), Text) for column in table.columns]
        statement = select(*texts).select_from(table)
        if table.name in _ROWS_THAT_NEED:
            statement = statement.where(_ROWS_THAT_NEED[table.name])
        for row in session.execute(statement.execution_options(yield_per=500)):
            for text in row:
                found.update(_SHA256.findall(text or ""))
    return found
