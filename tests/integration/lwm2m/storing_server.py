"""A program for the restart tests: an LwM2M server that stores what it must not forget in a file, and tells its events.

`storing_server.py PORT FILE`; commands as JSON lines on standard input, events as JSON lines on standard output.
"""

import asyncio
import json
import sys
from pathlib import Path as FilePath

from lwm2m.events import CompositeNotification, Event, Notification, Registered, Updated
from lwm2m.observations import Observation
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.server import Lwm2mServer


def tell(**words: object) -> None:
    """One line to the test."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


class Storage:
    """Registrations and observations in one JSON file."""

    def __init__(self, file: FilePath) -> None:
        self._file = file
        stored = json.loads(file.read_text()) if file.exists() else {"registrations": [], "observations": {}}
        self.registrations = {each.endpoint: each for each in map(Registration.from_json, stored["registrations"])}
        self.observations = {
            name: tuple(map(Observation.from_json, records)) for name, records in stored["observations"].items()
        }

    def heard(self, event: Event) -> None:
        """Store registrations; tell of everything."""
        match event:
            case Registered(registration=registration) | Updated(registration=registration):
                self.registrations[registration.endpoint] = registration
                self._save()
                tell(event=type(event).__name__)
            case Notification(path=path, node=node):
                tell(event="Notification", path=str(path), node=repr(node))
            case CompositeNotification(nodes=nodes):
                tell(event="CompositeNotification", nodes={str(path): repr(node) for path, node in nodes.items()})

    def observed(self, endpoint: str, observations: tuple[Observation, ...]) -> None:
        """Store observations."""
        self.observations[endpoint] = observations
        self._save()

    def _save(self) -> None:
        data = {
            "registrations": [each.to_json() for each in self.registrations.values()],
            "observations": {name: [each.to_json() for each in records] for name, records in self.observations.items()},
        }
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(data))
        draft.rename(self._file)


async def main(port: int, file: FilePath) -> None:
    """Serve until killed."""
    storage = Storage(file)
    server = Lwm2mServer(
        port=port,
        restored=storage.registrations.values(),
        restored_observations=[each for records in storage.observations.values() for each in records],
        observations_changed=storage.observed,
    )
    server.events.listen(storage.heard)
    async with server:
        tell(event="Started", port=server.port)
        while line := await asyncio.to_thread(sys.stdin.readline):
            paths = [Path.parse(each) for each in json.loads(line)]
            if len(paths) == 1:
                response = await server.observe("dev1", paths[0])
            else:
                response = await server.observe_composite("dev1", paths)
            tell(event="Observed", code=response.code)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), FilePath(sys.argv[2])))
