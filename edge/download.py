"""Pulls a package to a synced file on the Pi, by the device library's `pull`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.errors import EdgeError
from edge.package_file import PackageFile
from lwm2m.client.pull import PullError, pull
from lwm2m.firmware import UpdateResult


class DownloadError(EdgeError):
    """A pull ended without the package; `result` is the Update Result that says so."""

    def __init__(self, result: UpdateResult, detail: str) -> None:
        super().__init__(detail)
        self.result = result


async def download(uri: str, path: Path, limit: int, context: Any, wait: Callable[[int], float] | None = None) -> None:
    """Fetch to a synced file of at most `limit` bytes; DownloadError otherwise.

    `context` is the aiocoap context to use; `wait` gives the seconds before the n-th attempt in a row.
    """
    file = PackageFile(path, limit)
    try:
        await pull(uri, file, context, wait=wait)
    except PullError as error:
        raise DownloadError(error.result, str(error)) from error
    finally:
        file.release()
