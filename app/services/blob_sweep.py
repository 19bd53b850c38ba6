"""Removes blobs that no row names any more: of what was deleted, and of processes that died before their commit."""

import structlog

from app.storage import builds
from app.storage.blob_references import named_blobs
from app.storage.blobs import BlobStore
from app.storage.database import Database

UNNAMED_SECONDS = 24 * 3600.0
"""Between a blob and the commit of the row that names it there are seconds."""

_log = structlog.get_logger(__name__)


class BlobSweep:
    """Mark and sweep. A blob that is put again meanwhile is young, and stays."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    def sweep(self) -> None:
        """Once, now."""
        old = list(self._blobs.older_than(UNNAMED_SECONDS))
        if not old:
            return
        with self._database.read() as session:
            if builds.unfinished(session):
                return  # what one step of a build hands to the next is named by the job engine alone
            named = named_blobs(session)
        unnamed = [sha256 for sha256 in old if sha256 not in named]
        removed = [sha256 for sha256 in unnamed if self._blobs.remove_older(sha256, UNNAMED_SECONDS)]
        if removed:
            _log.info("blobs that nothing names were removed", count=len(removed))
