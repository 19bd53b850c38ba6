"""Who observes what on a device, and the clock that notifies them as their attributes say."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from lwm2m.client.attributes import Last, due
from lwm2m.client.tree import ObjectTree
from lwm2m.paths import Path


@dataclass(slots=True, eq=False)
class _Observer:
    paths: tuple[Path, ...]
    trigger: Callable[[], None]
    last: Last
    changed: bool = False
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Observers:
    """Hears of changes by `changed` and triggers each observer when it is due."""

    def __init__(self, tree: ObjectTree) -> None:
        self._tree = tree
        self._observers: set[_Observer] = set()

    def __len__(self) -> int:
        return len(self._observers)

    def add(self, paths: tuple[Path, ...], trigger: Callable[[], None]) -> Callable[[], None]:
        """Notify by `trigger` from now on; the result ends that. The answer to the request is the first value."""
        observer = _Observer(paths, trigger, self._now(paths))
        self._observers.add(observer)
        self._plan(observer)

        def remove() -> None:
            self._observers.discard(observer)
            observer.stop_timer()

        return remove

    def changed(self, path: Path) -> None:
        """A value below, at or above `path` is another one now."""
        for observer in list(self._observers):
            if any(each.contains(path) or path.contains(each) for each in observer.paths):
                observer.changed = True
                self._plan(observer)

    def replan(self) -> None:
        """Attributes were written."""
        for observer in list(self._observers):
            self._plan(observer)

    def close(self) -> None:
        """No more notifications."""
        for observer in self._observers:
            observer.stop_timer()
        self._observers.clear()

    def _plan(self, observer: _Observer) -> None:
        observer.stop_timer()
        loop = asyncio.get_running_loop()
        now = self._now(observer.paths)
        attributes = self._tree.effective_attributes(observer.paths[0])
        at = due(attributes, observer.last, changed=observer.changed, number=now.number, now=now.at)
        if at is None:
            return
        if at <= now.at:
            self._notify(observer)
        else:
            observer.timer = loop.call_at(at, self._notify, observer)

    def _notify(self, observer: _Observer) -> None:
        observer.last, observer.changed = self._now(observer.paths), False
        observer.trigger()
        self._plan(observer)

    def _now(self, paths: tuple[Path, ...]) -> Last:
        number = self._tree.number(paths[0]) if len(paths) == 1 else None
        return Last(asyncio.get_running_loop().time(), number)
