"""Which devices can be told how urgent an update is."""

import pytest

from app.errors import Invalid
from app.services.updates import check_urgency
from app.storage.tables import DeviceRow
from lwm2m.registration import Registration


def device(links: str, version: str = "1.1") -> DeviceRow:
    registration = Registration("id", "x", "127.0.0.1:1", 60, 0, 0, lwm2m_version=version, object_links=links)
    return DeviceRow(endpoint="x", registration=registration.to_json())


@pytest.mark.parametrize(
    ("links", "version"),
    [("</5>;ver=1.1,</5/0>", "1.1"), ("</5>;ver=1.1,</5/0>", "1.0"), ("</5/0>", "1.1"), ("</5/0>", "1.2"), ("", "1.1")],
)
def test_a_device_that_may_have_the_resources_is_told(links: str, version: str) -> None:
    check_urgency(device(links, version))


def test_a_device_that_is_away_is_told_when_it_comes() -> None:
    check_urgency(DeviceRow(endpoint="x"))


@pytest.mark.parametrize(
    ("links", "version"),
    [("</5>;ver=1.0,</5/0>", "1.1"), ("</5/0>", "1.0"), ("</5/0>", "1.0.0"), ('</5>;ver="1.0"', "1.2")],
)
def test_a_device_with_version_1_0_of_the_object_is_refused_with_what_to_leave_out(links: str, version: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_urgency(device(links, version))
    assert (refused.value.slug, refused.value.field) == ("urgency_unsupported", "body.severity")
    assert refused.value.remedy == "Leave severity and max_defer_seconds out."
