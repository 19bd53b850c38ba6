"""The page /federations as an operator sees it, with a server that answers as the contract has it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import Watched

pytestmark = pytest.mark.browser

ID, SHA = "fed_0123456789abcdef", "a" * 64
Json = dict[str, Any]


def score(value: float) -> Json:
    return {"metric": "accuracy", "value": value, "loss": 0.5}


def update(client: str, state: str, detail: str | None = None) -> Json:
    reason = None if detail is None else {"slug": "outlier", "detail": detail, "remedy": "Look at the client."}
    return {"client_id": "cli_1", "client": client, "state": state, "reason": reason}


def round_(number: int, state: str, updates: list[Json], value: float | None) -> Json:
    return {
        "round": number,
        "state": state,
        "selected": ["ann", "ben", "eve"],
        "updates": updates,
        "samples": 300,
        "score": None if value is None else score(value),
    }


class Server:
    """Answers by path; every federation is the one."""

    def __init__(self) -> None:
        self.away = False
        self.federation: Json = {
            "id": ID,
            "name": "ward-7",
            "state": "running",
            "model": "digits",
            "version": 1,
            "clients": 3,
            "round": 2,
            "settings": {"rounds": 3},
            "snapshot_sha256": SHA,
            "history": [{"round": 0, "score": score(0.11)}, {"round": 1, "score": score(0.82)}],
            "result": None,
            "error": None,
        }
        averaged = [update("ann", "averaged"), update("ben", "averaged")]
        self.rounds = [
            round_(1, "closed", [*averaged, update("eve", "refused", "Moved 90 times as far.")], 0.82),
            round_(2, "open", [], None),
        ]
        self.evaluation: Json = {
            "model": "digits",
            "version": 2,
            "snapshot_sha256": SHA,
            "metric": {"name": "accuracy", "float32": 0.93, "int8": 0.92},
        }

    def answer(self, route: Route) -> None:
        if self.away:
            route.abort("connectionrefused")
            return
        path = route.request.url.partition("/v1/")[2].partition("?")[0]
        found: Json | None = {
            "federations": {"items": [self.federation], "next_cursor": None},
            f"federations/{ID}": self.federation,
            f"federations/{ID}/rounds": {"items": self.rounds, "next_cursor": None},
            "models/digits/versions/2/evaluation": self.evaluation,
        }.get(path)
        if found is None:
            problem = {"detail": f"There is no {path}.", "remedy": "Look at the list."}
            route.fulfill(status=404, body=json.dumps(problem), content_type="application/problem+json")
        else:
            route.fulfill(body=json.dumps(found), content_type="application/json")


Open = Callable[..., tuple[Page, Server, Watched]]


@pytest.fixture
def open_page(browser_of_module: Browser, site: str) -> Iterator[Open]:
    pages = []

    def begin(fragment: str = "") -> tuple[Page, Server, Watched]:
        page, server = browser_of_module.new_page(viewport={"width": 900, "height": 900}), Server()
        pages.append(page)
        watched = Watched.over(page)
        page.route("**/v1/**", server.answer)
        page.goto(f"{site}/federations{fragment}")
        return page, server, watched

    yield begin
    for page in pages:
        page.close()


def test_002_6_a_federation_is_followed_round_by_round_until_it_has_ended(open_page: Open) -> None:
    page, server, watched = open_page()
    expect(page.locator("#list tr")).to_have_text("ward-7digits@12 of 33running")
    expect(page.locator("#one")).to_be_hidden()
    page.click("#list a")
    expect(page.locator("#state")).to_have_text("running, round 2 of 3, 3 clients.")
    newest, first = (page.locator("#rounds tr").nth(number).locator("td") for number in range(2))
    assert newest.all_inner_texts() == ["2", "open", "3", "0", "300", "", ""]
    assert first.all_inner_texts() == ["1", "closed", "3", "2", "300", "82.0 %", "eve: Moved 90 times as far."]
    assert page.locator("#chart polyline").count() == 1

    server.federation["history"].append({"round": 2, "score": score(0.91)})
    server.federation |= {"state": "finished", "result": {"model": "digits", "version": 3}, "round": 3}
    expect(page.locator("#state")).to_have_text("finished, round 3 of 3, 3 clients. The average is digits@3.")
    points = page.locator("#chart polyline").get_attribute("points") or ""
    assert points.count(",") == 3
    assert watched.complaints == []


def test_002_6_the_average_is_compared_with_a_version_that_was_trained_in_one_place(open_page: Open) -> None:
    page, _, watched = open_page(f"#federation={ID}&against=digits@2")
    expect(page.locator("#measured")).to_have_text("Accuracy of float weights, both on the same held-out data")
    cells = page.locator("#comparison td").all_inner_texts()
    assert cells == ["82.0 %", "93.0 % (digits@2)", "-11.0 points"]
    assert page.locator("#chart .other").count() == 1
    assert watched.complaints == []


def test_what_cannot_be_compared_is_said(open_page: Open) -> None:
    page, server, _ = open_page(f"#federation={ID}")
    page.fill("#against", "digits")
    page.click("#compare")
    expect(page.locator("#error")).to_have_text("A version is written as MODEL@VERSION, such as trained-digits@2.")
    page.fill("#against", "digits@9")
    page.click("#compare")
    expect(page.locator("#error")).to_have_text("There is no models/digits/versions/9/evaluation. Look at the list.")
    server.evaluation["snapshot_sha256"] = "b" * 64
    page.fill("#against", "digits@2")
    page.click("#compare")
    expect(page.locator("#measured")).to_contain_text("each on held-out data of its own")
    expect(page.locator("#error")).to_be_hidden()


def test_a_server_that_is_away_for_a_while_is_said_and_the_federation_is_followed_on(open_page: Open) -> None:
    page, server, _ = open_page(f"#federation={ID}")
    expect(page.locator("#state")).to_have_text("running, round 2 of 3, 3 clients.")
    server.away = True
    expect(page.locator("#error")).to_have_text("The server does not answer; it is asked again.")
    server.federation |= {"state": "finished", "result": {"model": "digits", "version": 3}, "round": 3}
    server.away = False
    expect(page.locator("#state")).to_have_text("finished, round 3 of 3, 3 clients. The average is digits@3.")
    expect(page.locator("#error")).to_be_hidden()
