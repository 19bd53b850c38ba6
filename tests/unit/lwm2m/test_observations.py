"""Observation records: stored, read back, and refused when they are not ours."""

import json

import pytest

from lwm2m.errors import BadRequest
from lwm2m.messages import Reply
from lwm2m.observations import MAX_COMPOSITE_PATHS, Observation, ObservationTable, Watched
from lwm2m.paths import Path

SINGLE = Observation("dev1", "reg1", (Path.of(5, 0, 3),), composite=False, token=b"\x01\xff")
COMPOSITE = Observation(
    "dev1", "reg1", (Path.of(3, 0), Path.of(5, 0, 3)), composite=True, token=b"\x02", accept=112, paths_format=110
)


class Silent:
    """A watch of which nothing is heard."""

    token = b"\x01"

    async def cancel(self, timeout: float) -> Reply:  # noqa: ASYNC109 - the signature of Watch
        raise AssertionError(f"nobody cancels here, within {timeout} s or at all")

    def forget(self) -> None:
        """Nothing to forget."""


@pytest.mark.parametrize("observation", [SINGLE, COMPOSITE])
def test_an_observation_outlives_the_process_as_json(observation: Observation) -> None:
    assert Observation.from_json(json.loads(json.dumps(observation.to_json()))) == observation


@pytest.mark.parametrize(
    "change",
    [
        {"paths": []},
        {"paths": ["/a"]},
        {"paths": ["/5/0/3"] * (MAX_COMPOSITE_PATHS + 1)},
        {"paths": "/5/0/3"},
        {"token": "xyz"},
        {"token": ""},
        {"token": "00" * 33},
        {"token": 5},
        {"composite": "no"},
        {"endpoint": None},
        {"accept": "112"},
    ],
)
def test_what_to_json_did_not_write_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match="no stored observation"):
        Observation.from_json(SINGLE.to_json() | change)


def test_a_missing_field_is_refused() -> None:
    data = SINGLE.to_json()
    del data["token"]
    with pytest.raises(BadRequest, match="token"):
        Observation.from_json(data)


def test_the_table_has_one_observation_for_each_set_of_paths() -> None:
    table = ObservationTable()
    first = Watched(SINGLE, Silent())
    assert table.put(first) is None
    table.put(Watched(COMPOSITE, Silent()))
    assert table.put(Watched(SINGLE, Silent())) is first
    assert table.of("dev1") == (COMPOSITE, SINGLE)
    assert table.of("dev2") == ()
    assert table.remove("dev1", COMPOSITE.key) is not None
    assert table.remove("dev1", COMPOSITE.key) is None
    assert len(table.clear("dev1")) == 1
    assert table.endpoints() == ()
