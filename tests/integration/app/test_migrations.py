"""The schema: every migration goes up and down again, and together they make what the tables say."""

from pathlib import Path

from alembic import command
from sqlalchemy import Connection, inspect, text

from app.storage import builds
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


def test_the_artifact_of_an_old_build_is_listed_as_its_firmware(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    command.upgrade(alembic_config(url), "0002")
    common = {
        "model": "m",
        "version": 1,
        "model_sha256": "b" * 64,
        "board": "mps2-an386",
        "builder_digest": "d",
        "firmware_version": "1.0.0+1",
        "security_counter": 1,
        "created_at": "2026-01-01T00:00:00.000000+00:00",
    }
    database = Database(url)
    with database.engine.begin() as connection:
        _insert(connection, "artifact", **common, sha256="a" * 64, kind="firmware", size=7, build_id="bld_1")
        more = {"key": "k", "builder_id": "bldr_1", "parameters": "{}", "attempts": 1, "cancel_requested": False}
        _insert(
            connection, "build", **common, **more, id="bld_1", state="succeeded", artifact_sha256="a" * 64, result="{}"
        )
        _insert(connection, "build", **common, **{**more, "key": "l"}, id="bld_2", state="failed", artifact_sha256=None)
    database.migrate()
    with database.read() as session:
        old = builds.by_id(session, "bld_1")
        failed = builds.by_id(session, "bld_2")
        artifact = builds.artifact(session, "a" * 64)
    assert old is not None
    assert old.artifacts == [
        {
            "sha256": "a" * 64,
            "kind": "firmware",
            "format": "bin",
            "file": "firmware.bin",
            "slot": "firmware",
            "size": 7,
        }
    ]
    assert failed is not None
    assert failed.artifacts is None
    assert artifact is not None
    assert (artifact.format, artifact.slot, artifact.abi, artifact.signature) == ("bin", "firmware", None, None)
    database.close()
    command.downgrade(alembic_config(url), "0002")


def _insert(connection: Connection, table: str, **values: object) -> None:
    names = ", ".join(values)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES (:{', :'.join(values)})"), values)  # noqa: S608 - the test's own names


def test_an_old_database_is_brought_up_to_date_at_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    command.upgrade(alembic_config(url), "0001")
    database = Database(url)
    database.migrate()
    assert "device_credential" in inspect(database.engine).get_table_names()
    database.close()
