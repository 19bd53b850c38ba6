"""Server-sent events: a bounded parser of lines, and a stream that reconnects where it was left.

The format is that of the HTML Living Standard, 9.2.6: fields `id`, `event`, `data`, `retry`; an empty line ends one.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.cli.client import ApiClient, at
from app.cli.errors import Failed, OffContract, Unreachable
from app.cli.session import Session

MAX_EVENT_CHARACTERS = 1024 * 1024
MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.2, 30.0
GIVE_UP_SECONDS = 120.0
_UTF8 = codecs.getincrementaldecoder("utf-8")


@dataclass(frozen=True)
class ServerEvent:
    """One event: its id, its type and its data."""

    id: str
    type: str
    data: str


@dataclass
class EventParser:
    """Feed it bytes in pieces of any size. `last_id` is of the last whole event: where a reconnection goes on."""

    last_id: str | None = None
    retry_seconds: float = 1.0
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    _line: str = ""
    _after_cr: bool = False
    _id: str | None = None
    _type: str = ""
    _data: list[str] = field(default_factory=list)
    _size: int = 0

    def feed(self, data: bytes) -> Iterator[ServerEvent]:
        """The events that are complete now. Raises OffContract for one that exceeds every bound."""
        text = self._decoder.decode(data)
        if not text:
            return
        half = self._after_cr and text.startswith("\n")  # CR and LF came in two pieces
        self._after_cr = text.endswith("\r")
        text = text[1:] if half else text
        *lines, self._line = (self._line + text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
        for line in lines:
            event = self._take(line)
            if event is not None:
                yield event
        if self._size + len(self._line) > MAX_EVENT_CHARACTERS:
            raise _too_long()

    def forget_partial(self) -> None:
        """A connection broke: what it left of an event comes again."""
        self._decoder.reset()
        self._line, self._after_cr, self._type, self._data, self._size = "", False, "", [], 0
        self._id = self.last_id

    def _take(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._size += len(value) + 1
                if self._size > MAX_EVENT_CHARACTERS:
                    raise _too_long()
                self._data.append(value)
            case "event":
                self._type = value[:200]
            case "id" if "\0" not in value and len(value) <= 200:
                self._id = value
            case "retry" if value.isascii() and value.isdigit() and len(value) <= 9:
                self.retry_seconds = min(max(int(value) / 1000, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)
            case _:
                pass  # a comment, or a field of a later standard
        return None

    def _dispatch(self) -> ServerEvent | None:
        # An id without an event to it is no place to go on from: what it numbers may not have come.
        event = None
        if self._data:
            self.last_id = self._id if self._id is not None else self.last_id
            event = ServerEvent(self.last_id or "", self._type or "message", "\n".join(self._data))
        self._type, self._data, self._size = "", [], 0
        return event


def follow_events(
    session: Session, client: ApiClient, *, subject: str | None, since: str | None, until_now: bool
) -> Iterator[ServerEvent]:
    """Events until the server was away for two minutes, or with `until_now` to the end of what there is.

    A first connection that fails raises at once: there is nothing to go on with.
    """
    parser = EventParser(last_id=since)
    parameters = {**({"subject": subject} if subject else {}), **({"until": "now"} if until_now else {})}
    silent_since: float | None = None
    connected = False
    while True:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": parser.last_id} if parser.last_id else {})}
        try:
            with client.stream(at("events"), params=parameters, headers=headers) as response:
                connected, silent_since = True, None
                for piece in response.iter_bytes():
                    yield from parser.feed(piece)
            if until_now:
                return
        except OffContract:
            raise
        except (Unreachable, Failed) as error:
            now = session.clock()
            silent_since = now if silent_since is None else silent_since
            if not connected or now - silent_since >= GIVE_UP_SECONDS:
                raise
            session.output.note(f"{error.detail} Trying again from event {parser.last_id or 'now'}.")
        parser.forget_partial()
        session.sleep(parser.retry_seconds)


def _too_long() -> OffContract:
    return OffContract(f"An event is longer than {MAX_EVENT_CHARACTERS:,} characters.")
