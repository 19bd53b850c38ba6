"""What the services need from outside, as Protocols: each has one implementation in the server and others in tests."""

from typing import Protocol


class JobEngine(Protocol):
    """Durable jobs: a job that was started is run to its end, by another process if this one dies."""

    def start(self, kind: str, job_id: str, partition: str | None = None) -> None:
        """Start a job, once however often it is asked; of one partition at most one runs at a time."""
        ...

    def healthy(self) -> str:
        """`ok`, or what is wrong."""
        ...
