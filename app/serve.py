"""Runs the server in this process until it is told to stop."""

import logging
import os
import signal
import socket
import sys

import uvicorn
from fastapi import FastAPI

from app import logs
from app.main import create_app
from app.place import PlaceTakenError, take
from app.settings import Settings


class _Server(uvicorn.Server):
    """Ends the streams of events before it waits for connections: else it waits for those, and then cuts them."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._app.state.services.stopping.set()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; does not return, and raises PlaceTakenError before anything was started.

    Job threads that are still at work are left behind: every job is durable and the next process carries it on, which
    is quicker and safer than waiting for a builder to end.
    """
    place = take(settings)
    logs.configure(json=settings.log_json)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    server = _Server(config, app)
    # uvicorn raises the signal that stopped it once more when it is done: to have stopped as asked is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server.run()
    logging.shutdown()
    place.close()
    os._exit(0 if server.started else 3)


if __name__ == "__main__":
    try:
        serve(Settings())
    except PlaceTakenError as error:
        sys.exit(f"{error} {error.remedy}")
