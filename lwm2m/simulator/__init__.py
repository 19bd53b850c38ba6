"""Many LwM2M devices in one process: for tests, demonstrations and load, with faults on order."""

from lwm2m.simulator.cli import main
from lwm2m.simulator.device import SimulatedDevice
from lwm2m.simulator.faults import Fault
from lwm2m.simulator.fleet import Counts, Simulator

__all__ = ["Counts", "Fault", "SimulatedDevice", "Simulator", "main"]
