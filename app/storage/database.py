"""The connection to the database: WAL, foreign keys, migrations, and one transaction for each unit of work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlmodel import Session

_MIGRATIONS = Path(__file__).resolve().parents[2] / "alembic"


def alembic_config(url: str) -> Config:
    """Alembic's configuration without an ini file: where the scripts are and which database."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


class Database:
    """An engine and its transactions: reads see a snapshot; writes lock at once, so that none is refused late."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = create_engine(url, connect_args={"timeout": 30} if url.startswith("sqlite") else {})
        if url.startswith("sqlite"):
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine."""
        return self._engine

    def migrate(self) -> None:
        """Bring the schema to the newest revision."""
        command.upgrade(alembic_config(self._url), "head")

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session to read with; its rows outlive it, its changes do not."""
        with Session(self._engine, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator["Transaction"]:
        """A transaction that commits at the end, and then does what waited for the commit."""
        with (
            self._engine.connect().execution_options(tinymlaas_begin="IMMEDIATE") as connection,
            Session(connection, expire_on_commit=False) as session,
        ):
            transaction = Transaction(session)
            yield transaction
            session.commit()
        for action in transaction.waiting:
            action()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


class Transaction:
    """A session to write with, and what to do once it is committed."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.waiting: list[Callable[[], None]] = []

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` when the transaction is safely on disk, and never when it is not."""
        self.waiting.append(action)


def _prepare_sqlite(connection: DBAPIConnection, _record: Any) -> None:
    connection.isolation_level = None  # sqlite3's own: SQLAlchemy emits BEGIN below
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("tinymlaas_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
