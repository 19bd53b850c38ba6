"""Message IDs after a restart: a device must not take a new message for one that it has answered."""

import pytest

from lwm2m.transports.udp import EXCHANGE_LIFETIME, MESSAGE_IDS, first_message_id

NOW = 1_795_225_127.0


@pytest.mark.parametrize("uptime", [2, 10, 100, 240])
def test_a_restarted_server_numbers_its_messages_ahead_of_those_it_sent_before(uptime: int) -> None:
    used = 200 * uptime  # messages a second, sustained: more than a push to one device
    before, after = first_message_id(NOW), first_message_id(NOW + uptime)
    assert used <= (after - before) % MESSAGE_IDS < MESSAGE_IDS


def test_the_numbers_come_around_after_the_time_that_a_device_remembers_them() -> None:
    first = first_message_id(NOW)
    assert abs(first_message_id(NOW + EXCHANGE_LIFETIME) - first) <= 1
