"""What the services need from outside, as Protocols: each has one implementation in the server and others in tests."""

from typing import Protocol

BROKEN_OFF = {
    "slug": "internal",
    "detail": "It broke off with an error of the server that nobody foresaw.",
    "remedy": "Read the server's log, which has the error with this job's id; then start it anew.",
}
"""What a job says that ended so."""


class JobEngine(Protocol):
    """Durable jobs: a job that was started is run to its end, by another process if this one dies."""

    def start(self, kind: str, job_id: str, partition: str | None = None) -> None:
        """Start a job, once however often it is asked; of one partition at most one runs at a time."""
        ...

    def healthy(self) -> str:
        """`ok`, or what is wrong."""
        ...
