"""Chromium as a person's browser, and the server's pages on a port of their own for it."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright

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
