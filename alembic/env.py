"""Alembic's entry: the same migrations for SQLite and PostgreSQL."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import create_engine
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from app.storage import columns, dataset_tables, drift_tables, federation_tables, tables

for module in (dataset_tables, drift_tables, federation_tables, tables):
    assert module  # noqa: S101 - importing it fills the metadata


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our column types as the plain SQL type beneath, so that a migration never changes with the code."""
    if kind == "type" and isinstance(item, AutoString | columns.Moment):
        return f"sa.String(length={item.length if isinstance(item, AutoString) else columns.Moment.impl.length})"
    return False


engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        compare_server_default=True,
        render_item=render_item,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
