"""The page /federate as people use it, several at once, against a federation's contract on the wire."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from app.errors import Conflict
from tests.support import web_federation
from tests.support.browser import Watched, pages_app, serving
from tests.support.digits import digits
from tests.support.web_federation import ID, FakeFederation
from zoo.federated.parameters import Parameters

pytestmark = pytest.mark.browser

DOCUMENT: dict[str, Any] = {
    "parameters": [
        {"name": "conv2d_0/kernel", "shape": [3, 3, 1, 4]},
        {"name": "batch_normalisation_1/gamma", "shape": [4]},
        {"name": "batch_normalisation_1/beta", "shape": [4]},
        {"name": "dense_5/kernel", "shape": [36, 10]},
        {"name": "dense_5/bias", "shape": [10]},
    ],
    "input_shape": [8, 8, 1],
    "outputs": 10,
    "batch": 16,
    "task": "classification",
    "loss": "cross-entropy",
    "from_logits": False,
    "scope": "all",
    "layers": [
        {"type": "conv2d", "filters": 4, "kernel": [3, 3], "stride": [1, 1], "padding": "valid",
         "activation": "linear", "bias": False},
        {"type": "batch_normalisation", "mean": [0.0] * 4, "variance": [1.0] * 4, "epsilon": 0.001},
        {"type": "activation", "function": "relu"},
        {"type": "max_pooling2d", "pool": [2, 2], "stride": [2, 2], "padding": "valid"},
        {"type": "flatten"},
        {"type": "dropout", "rate": 0.3},
        {"type": "dense", "units": 10, "activation": "softmax", "bias": True},
    ],
    "labels": [str(digit) for digit in range(10)],
    "normalisation": None,
}  # fmt: skip
Federate = Callable[..., tuple[FakeFederation, str]]


@pytest.fixture
def federate() -> Iterator[Federate]:
    """A federation of so many clients, whose tokens are their names, and its address."""
    opened = []

    def begin(clients: int, rounds: int, **training: Any) -> tuple[FakeFederation, str]:
        rng = np.random.default_rng(1)
        parameters = Parameters.of(DOCUMENT["parameters"])
        start = tuple((rng.normal(size=item.shape) * 0.2).astype(np.float32) for item in parameters)
        federation = FakeFederation(
            DOCUMENT,
            start,
            {f"token-{number}": f"client-{number}" for number in range(clients)},
            rounds,
            {"epochs": 3, "batch_size": 16, "learning_rate": 0.1, "max_samples": 1000, **training},
        )
        app = pages_app()
        web_federation.install(app, federation)
        context = serving(app)
        opened.append(context)
        return federation, context.__enter__()

    yield begin
    for context in opened:
        context.__exit__(None, None, None)


def join(browser: Browser, address: str, token: str, *, background: bool = False) -> tuple[Page, Watched]:
    page = browser.new_page()
    if background:  # no frame is ever drawn there
        page.add_init_script("globalThis.requestAnimationFrame = () => 0")
    watched = Watched.over(page)
    page.goto(f"{address}/federate#federation={ID}&token={token}")
    expect(page.locator("#samples")).to_be_visible(timeout=20_000)
    return page, watched


def of_digits(folder: Path, chosen: Any) -> Path:
    pictures, numbers = digits()
    path = folder / "mine.npz"
    np.savez(path, x=pictures[chosen], y=numbers[chosen])
    return path


def test_002_5_two_browsers_train_on_digits_that_stay_with_them_and_their_average_comes_back(
    browser_of_module: Browser, federate: Federate, tmp_path: Path
) -> None:
    federation, address = federate(clients=2, rounds=6)
    numbers = digits()[1]
    tabs = []
    for client in range(2):  # one has the digits below 5, the other those from 5 on
        chosen = np.flatnonzero((numbers >= 5) == bool(client))[:150]
        page, watched = join(browser_of_module, address, f"token-{client}")
        expect(page.locator("#about")).to_contain_text("digits: classification, 8x8x1 values in, 10 out")
        page.set_input_files("#file", of_digits(tmp_path, chosen))
        expect(page.locator("#held")).to_have_text("150 samples of 5 labels on this machine.")
        tabs.append((page, watched, digits()[0][chosen]))
    for page, _, _ in tabs:
        page.click("#start")
    for page, watched, pictures in tabs:
        expect(page.locator("#state")).to_contain_text("The federation has ended", timeout=60_000)
        expect(page.locator("#rounds tr")).to_have_count(6)
        assert page.locator('#rounds [data-cell="update"]').all_inner_texts() == [watched_update(watched)] * 6
        assert page.locator("#chart polyline").get_attribute("points").count(",") == 6 * 3
        assert watched.complaints == []
        assert [request for request in watched.requests if not request.startswith(f"{address}/")] == []
        assert_without_samples(watched, pictures)

    assert [(number, update.samples) for number, _, update in federation.received] == [
        (number, 150) for number in range(1, 7) for _ in range(2)
    ]
    # In the last round each begins with an average that knows the digits that it never saw.
    before = [float(page.inner_text('tr[data-round="6"] [data-cell="before"]').split()[0]) for page, _, _ in tabs]
    first = [float(page.inner_text('tr[data-round="1"] [data-cell="before"]').split()[0]) for page, _, _ in tabs]
    assert min(before) > max(first) + 30


def watched_update(watched: Watched) -> str:
    """What the page says of each update: its size as it was sent."""
    return f"taken, {len(next(body for body in watched.bodies if body))} bytes"


def assert_without_samples(watched: Watched, pictures: Any) -> None:
    """No request holds what any of the pictures holds, as bytes or as the floats that the network sees."""
    sent = [body for body in watched.bodies if body]
    assert len(sent) == 6
    for picture in pictures:
        floats = (picture.astype(np.float32) / 255).tobytes()
        assert not any(picture.tobytes() in body or floats[64:128] in body for body in sent)


def test_002_5_a_drawn_digit_is_a_sample_and_a_tab_in_the_background_asks_again_when_the_server_was_away(
    browser_of_module: Browser, federate: Federate
) -> None:
    federation, address = federate(clients=1, rounds=1, epochs=1)
    federation.away = 2
    page, watched = join(browser_of_module, address, "token-0", background=True)
    page.click('#labels button:text-is("1")')
    expect(page.locator("#error")).to_have_text("Nothing is drawn yet.")
    page.locator("#canvas").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 110, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 115, box["y"] + 190, steps=4)
    page.mouse.up()
    page.click('#labels button:text-is("1")')
    expect(page.locator("#held")).to_have_text("1 sample of 1 labels on this machine.")
    expect(page.locator("#error")).to_be_hidden()
    page.click("#start")
    expect(page.locator("#state")).to_contain_text("The server does not answer; it is asked again")
    expect(page.locator("#state")).to_contain_text("The federation has ended", timeout=30_000)
    assert [update.samples for _, _, update in federation.received] == [1]
    assert len([request for request in watched.requests if "/assignment" in request]) >= 4


def test_002_5_a_page_with_a_wrong_token_or_unfit_samples_says_so(
    browser_of_module: Browser, federate: Federate, tmp_path: Path
) -> None:
    federation, address = federate(clients=1, rounds=1)
    page, _ = join(browser_of_module, address, "another")
    other = tmp_path / "other.csv"
    other.write_text("a,b,label\n1,2,3\n")
    page.set_input_files("#file", other)
    expect(page.locator("#error")).to_have_text("A sample has 2 values; the network takes 8x8x1.")
    expect(page.locator("#start")).to_be_disabled()
    page.set_input_files("#file", of_digits(tmp_path, slice(0, 5)))
    page.click("#start")
    expect(page.locator("#error")).to_have_text("The token is of no client here. Ask whoever enrolled you.")
    assert federation.received == []


def test_002_5_an_update_that_is_refused_is_shown_with_the_reason_and_the_page_goes_on(
    browser_of_module: Browser, federate: Federate, tmp_path: Path
) -> None:
    federation, address = federate(clients=1, rounds=2, epochs=1)
    taking, refused = federation.take, []

    def late(name: str, body: bytes) -> Any:
        if not refused:
            refused.append(body)
            federation.round = 2
            raise Conflict("stale_round", "Round 1 is over.", "Ask for the assignment.")
        return taking(name, body)

    federation.take = late  # type: ignore[method-assign]  # this federation alone is impatient
    page, _ = join(browser_of_module, address, "token-0")
    page.set_input_files("#file", of_digits(tmp_path, slice(0, 20)))
    page.click("#start")
    expect(page.locator("#state")).to_contain_text("The federation has ended", timeout=30_000)
    assert page.inner_text('tr[data-round="1"] [data-cell="update"]') == "refused: Round 1 is over."
    assert [number for number, _, _ in federation.received] == [2]


def test_the_pages_are_served_under_a_policy_without_inline_code_and_without_other_hosts(site: str) -> None:
    for path in ("/federate", "/web/federate.js", "/web/tf.min.js"):
        answer = httpx.get(f"{site}{path}")
        policy = answer.headers["content-security-policy"]
        assert answer.status_code == 200
        assert "default-src 'none'" in policy
        assert "connect-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_002_5_a_round_in_which_training_diverges_is_sat_out_and_the_page_takes_part_in_the_next(
    browser_of_module: Browser, federate: Federate, tmp_path: Path
) -> None:
    federation, address = federate(clients=1, rounds=2, learning_rate=1e30)
    page, _ = join(browser_of_module, address, "token-0")
    page.set_input_files("#file", of_digits(tmp_path, slice(0, 20)))
    page.click("#start")
    skipped = page.locator('tr[data-round="1"] [data-cell="update"]')
    expect(skipped).to_have_text("diverged, nothing sent", timeout=30_000)
    expect(page.locator("#error")).to_be_hidden()
    federation.training["learning_rate"] = 0.1
    federation.round = 2
    expect(page.locator("#state")).to_contain_text("The federation has ended", timeout=30_000)
    assert [number for number, _, _ in federation.received] == [2]
