"""Chromium as a person's browser, and the server's pages on a port of their own for it."""

import shutil
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.api import problems
from app.web import pages

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own; to be left before another test begins, since it runs an event loop in this thread."""
    expect.set_options(timeout=20_000)  # a machine that runs other tests too
    executable = next(path for path in map(shutil.which, _NAMES) if path)
    with sync_playwright() as playwright:
        # Its sandbox needs rights that a container's root does not have; the pages are ours.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app's address, while it is served from a thread."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the pages are not served"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def pages_app() -> FastAPI:
    """The pages alone, without an API behind them."""
    app = FastAPI()
    problems.install(app)
    pages.install(app)
    return app


_HELPERS = """
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const text = (found) => btoa(String.fromCharCode(...found));
"""


def run(tab: Page, code: str, **given: Any) -> Any:
    """What an async function of `given` with `code` as its body returns; bytes go in as base64."""
    plain = {name: b64encode(value).decode() if isinstance(value, bytes) else value for name, value in given.items()}
    return tab.evaluate(f"async ({{{', '.join(plain)}}}) => {{ {_HELPERS} {code} }}", plain)


@dataclass
class Watched:
    """What a page asked for and what it complained about."""

    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def over(cls, page: Page) -> "Watched":
        """From now on."""
        found = cls()
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("request", lambda request: found.bodies.append(request.post_data_buffer or b""))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("console", lambda message: message.type == "error" and found.complaints.append(message.text))
        return found
