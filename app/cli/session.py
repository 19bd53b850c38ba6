"""What every command shares: which server, which kind of output, and how time passes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import typer

from app.cli.client import ApiClient
from app.cli.output import Output

DEFAULT_SERVER = "http://127.0.0.1:8000"


@dataclass
class Session:
    """The root command fills in `server` and `output`; tests give a transport and a clock of their own."""

    transport: httpx.BaseTransport | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    server: str = DEFAULT_SERVER
    output: Output = field(default_factory=Output)

    def client(self) -> ApiClient:
        """A client of the server; close it."""
        return ApiClient(self.server, self.transport)


def session_of(context: typer.Context) -> Session:
    """The session that the root command put into the context."""
    return context.ensure_object(Session)
