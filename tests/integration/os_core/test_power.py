"""Power is lost at operations of the flash, during whole updates: every board comes back, and every update ends.

Every operation, and two losses in one update, are bench/os_power.py.
"""

import pytest

from tests.support.os_core import Core, Image, a_model

PACKAGES = {"firmware": Image(), "a": a_model(), "b": a_model(slot="model-b")}


@pytest.mark.parametrize("target", list(PACKAGES))
def test_an_update_survives_a_loss_of_power_at_any_operation(core: Core, target: str) -> None:
    end = core.cut_power(PACKAGES[target].signed(core.key), target, first=3, step=11)
    assert int(end["cuts"]) >= 25
    assert end["lost boards"] == "0"


def test_an_update_survives_two_losses(core: Core) -> None:
    end = core.cut_power(PACKAGES["firmware"].signed(core.key), "firmware", first=1, step=17, second=40)
    assert end["lost boards"] == "0"
    assert int(end["most lives"]) >= 3
