"""What is known of the devices behind a Leshan server, and which events bring a listener from there to what is new."""

import time
from collections.abc import Callable, Iterable

from lwm2m.events import Deregistered, Event, Reason, Registered, Updated
from lwm2m.registration import Registration, RegistrationUpdate


class Mirror:
    """Registrations by endpoint, kept in step by single events and by whole lists.

    Each method answers with the events that tell what changed. A list is read while events wait to be read: what an
    event says that a list has already told is dropped, and so is what is older than the list.
    """

    def __init__(self, known: Iterable[Registration] = (), clock: Callable[[], float] = time.time) -> None:
        self._known = {registration.endpoint: registration for registration in known}
        self._clock = clock

    def get(self, endpoint: str) -> Registration | None:
        """The registration of a device as far as it is known."""
        return self._known.get(endpoint)

    def listed(self, registrations: Iterable[Registration]) -> list[Event]:
        """The server's whole list, read after the stream was (again) opened."""
        now = {registration.endpoint: registration for registration in registrations}
        events: list[Event] = []
        for gone in [each for name, each in self._known.items() if name not in now]:
            events.extend(self.gone(gone))
        for registration in now.values():
            events.extend(self.seen(registration))
        return events

    def seen(self, registration: Registration) -> list[Event]:
        """A registration as it is now, new or updated."""
        previous = self._known.get(registration.endpoint)
        if previous is not None and previous.id == registration.id:
            if registration.updated_at <= previous.updated_at:
                return []
            self._known[registration.endpoint] = registration
            return [Updated(registration, previous, _difference(previous, registration))]
        if previous is not None and previous.registered_at > registration.registered_at:
            return []
        self._known[registration.endpoint] = registration
        before: list[Event] = [] if previous is None else [Deregistered(previous, Reason.REPLACED)]
        return [*before, Registered(registration, previous)]

    def gone(self, registration: Registration) -> list[Event]:
        """A registration that has ended. Leshan does not say why: it expired when its time was over."""
        known = self._known.get(registration.endpoint)
        if known is None or known.id != registration.id:
            return []
        del self._known[registration.endpoint]
        limit = known.expires_at()
        expired = limit is not None and limit <= self._clock()
        return [Deregistered(known, Reason.EXPIRED if expired else Reason.REQUEST)]


def _difference(before: Registration, after: Registration) -> RegistrationUpdate:
    return RegistrationUpdate(
        registration_id=after.id,
        address=after.address,
        lifetime=after.lifetime if after.lifetime != before.lifetime else None,
        binding=after.binding if after.binding != before.binding else None,
        queue_mode=after.queue_mode if after.queue_mode != before.queue_mode else None,
        sms_number=after.sms_number if after.sms_number != before.sms_number else None,
        object_links=after.object_links if after.object_links != before.object_links else None,
        root_path=after.root_path if after.root_path != before.root_path else None,
        additional=after.additional if after.additional != before.additional else (),
    )
