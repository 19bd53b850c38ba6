"""Many devices: they register, stay registered, sleep, move, and leave; the command line tells how many."""

import asyncio
import json
import re
import resource
import socket
import sys

import pytest

from lwm2m.coap import Listener
from lwm2m.errors import BadRequest
from lwm2m.events import Deregistered, Reason, Sent
from lwm2m.messages import Code
from lwm2m.paths import Path
from lwm2m.security import MemorySecurityStore, PskCredential
from lwm2m.server import Lwm2mServer
from lwm2m.simulator import Fault, Simulator, main
from lwm2m.simulator.device import Profile


async def test_a_thousand_devices_register_stay_registered_and_leave(server: Lwm2mServer) -> None:
    expired: list[str] = []

    def listen(event: object) -> None:
        if isinstance(event, Deregistered) and event.reason is not Reason.REQUEST:
            expired.append(event.registration.endpoint)

    server.events.listen(listen)
    uri = f"coap://127.0.0.1:{server.port}"
    async with Simulator(uri, 1000, lifetime=12, rate=200) as simulator:
        assert await simulator.all_registered(40)
        await asyncio.sleep(13)  # longer than the lifetime: the Updates keep them
        simulator.check()
        assert simulator.counts().registered == len(server.registrations()) == 1000
    assert expired == []
    assert server.registrations() == []


async def test_the_same_seed_gives_the_same_faults_and_another_gives_others() -> None:
    def faults(seed: int) -> list[Fault | None]:
        fleet = Simulator("coap://127.0.0.1:1", 40, faults=list(Fault), share=0.5, seed=seed)
        return [device.fault for device in fleet.devices]

    assert faults(1) == faults(1) != faults(2)
    assert 5 < sum(fault is not None for fault in faults(1)) < 35


async def test_a_restless_fleet_stays_in_touch(server: Lwm2mServer) -> None:
    faults = (Fault.MOVES_PORT, Fault.GARBAGE, Fault.REBOOT_LOOP)
    profile = Profile(restless_seconds=0.6, telemetry_seconds=0.5)
    sent: list[str] = []
    server.events.listen(lambda event: sent.append(event.endpoint) if isinstance(event, Sent) else None)
    uri = f"coap://127.0.0.1:{server.port}"
    async with Simulator(uri, 30, faults=faults, profile=profile) as simulator:
        await asyncio.sleep(4)
        simulator.check()
        counts = simulator.counts()
        assert min(counts.events[name] for name in ("moves", "garbage", "reboots", "sent")) > 5
        assert counts.registered > 20
        assert len(server.registrations()) > 25
    assert len(set(sent)) == 30


async def test_sleeping_devices_hear_nothing_until_they_wake() -> None:
    async with Lwm2mServer(port=0, awake_time=60) as server:
        uri = f"coap://127.0.0.1:{server.port}"
        async with Simulator(uri, 5, queue=0.3) as simulator:
            assert await simulator.all_registered(10)
            assert all(each.queue_mode for each in server.registrations())
            await asyncio.sleep(0.6)
            with pytest.raises(TimeoutError):
                await server.read("sim-00000", Path.of(3, 0, 0), timeout=0.5)
            assert simulator.counts().events["missed"] > 0


async def test_a_slow_device_is_waited_for_and_a_late_one_only_as_long_as_the_deadline(server: Lwm2mServer) -> None:
    uri = f"coap://127.0.0.1:{server.port}"
    async with Simulator(uri, 1, faults=[Fault.SLOW], prefix="slow") as slow:
        assert await slow.all_registered(5)
        assert (await server.read("slow-00000", Path.of(3, 0, 0))).code == Code.CONTENT
    async with Simulator(uri, 1, faults=[Fault.LATE], prefix="late") as late:
        assert await late.all_registered(5)
        answers = [await server.read("late-00000", Path.of(3, 0, 0)) for _ in range(4)]
        assert all(answer.success for answer in answers)
        with pytest.raises(TimeoutError):
            await server.read("late-00000", Path.of(3, 0, 0), timeout=1)
        assert (await server.read("late-00000", Path.of(3, 0, 0), timeout=20)).success


async def test_a_fleet_registers_over_dtls_with_a_key_for_each_endpoint() -> None:
    key = bytes(range(16))
    names = [f"sim-{number:05d}" for number in range(10)]
    security = MemorySecurityStore({name: PskCredential(name, key) for name in names})
    async with Lwm2mServer(port=0, security=security, listeners=[Listener("coaps", "127.0.0.1", 0)]) as server:
        async with Simulator(f"coaps://127.0.0.1:{server.ports['coaps']}", 10, key=key) as simulator:
            assert await simulator.all_registered(20)
            assert all(each.secure for each in server.registrations())
            assert (await server.read("sim-00003", Path.of(3, 0, 3))).success
        assert server.registrations() == []


async def test_more_devices_than_files_are_refused_with_advice() -> None:
    with pytest.raises(BadRequest, match="fewer devices"):
        async with Simulator("coap://127.0.0.1:1", resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
            pass


async def run_cli(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "lwm2m.simulator",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_command_tells_progress_and_how_many_are_registered(server: Lwm2mServer) -> None:
    uri = f"coap://127.0.0.1:{server.port}"
    arguments = ("--server", uri, "--devices", "20", "--seconds", "3", "--every", "0.5")
    code, out, err = await run_cli(*arguments, "--fault", "slow", "--share", "0.5")
    assert (code, err) == (0, "")
    assert re.search(r"^registered 20/20 faulty \d+ versions 1\.0\.0:20", out.splitlines()[-1])
    assert len(out.splitlines()) > 3
    assert server.registrations() == []
    code, out, _ = await run_cli(*arguments, "--json")
    assert json.loads(out.splitlines()[-1])["registered"] == 20


async def test_the_command_says_when_nobody_could_register_and_what_it_does_not_know() -> None:
    code, out, _ = await run_cli("--server", "coap://127.0.0.1:9", "--seconds", "1", "--devices", "2")
    assert (code, out.splitlines()[-1].split()[:2]) == (1, ["registered", "0/2"])
    code, _, err = await run_cli("--fault", "laziness")
    assert code == 2
    assert "drop-mid-download" in err
    code, _, err = await run_cli("--server", "http://127.0.0.1", "--seconds", "1")
    assert code == 2
    assert "coap://HOST:PORT" in err
    code, out, _ = await run_cli("--help")
    assert code == 0
    assert all(fault in out for fault in Fault)


def test_where_no_server_is_the_end_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        nobody = f"coap://127.0.0.1:{reserved.getsockname()[1]}"
        assert main(["--devices", "1", "--seconds", "0.3", "--server", nobody]) == 1
    told = capsys.readouterr()
    assert "registered 0/1" in told.out
    assert f"No device could register at {nobody}: start a server there" in told.err
