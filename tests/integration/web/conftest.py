"""The pages in a real Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import Watched, chromium, pages_app, serving


@pytest.fixture(scope="module")
def browser_of_module() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The pages alone."""
    with serving(pages_app()) as address:
        yield address


@pytest.fixture(scope="module")
def watched_tab(browser_of_module: Browser, site: str) -> Iterator[tuple[Page, Watched]]:
    page = browser_of_module.new_page()
    watched = Watched.over(page)
    page.goto(f"{site}/federate")
    yield page, watched
    page.close()


@pytest.fixture
def tab(watched_tab: tuple[Page, Watched], site: str) -> Iterator[Page]:
    """A page of the site, whose modules a test may import; it must not complain, nor ask anybody else."""
    page, watched = watched_tab
    yield page
    assert watched.complaints == []
    assert [request for request in watched.requests if not request.startswith(f"{site}/")] == []
