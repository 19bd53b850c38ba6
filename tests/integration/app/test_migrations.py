"""The schema: every migration goes up and down again, and together they make what the tables say."""

from pathlib import Path

from alembic import command
from sqlalchemy import inspect

from app.storage.database import Database, alembic_config


def test_migrations_go_up_and_down_and_agree_with_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'schema.sqlite3'}"
    config = alembic_config(url)
    command.upgrade(config, "head")
    command.check(config)  # raises when a table differs from what the migrations made
    database = Database(url)
    assert {"build", "model_version", "device_update"} <= set(inspect(database.engine).get_table_names())
    database.close()
    command.downgrade(config, "base")
    database = Database(url)
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    database.close()
    command.upgrade(config, "head")


def test_an_old_database_is_brought_up_to_date_at_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    command.upgrade(alembic_config(url), "0001")
    database = Database(url)
    database.migrate()
    assert "device_credential" in inspect(database.engine).get_table_names()
    database.close()
