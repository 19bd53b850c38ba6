"""What is not measured says so in the build's log, when it was to be expected."""

from pathlib import Path

import pytest

from app.services.measure_job import MeasureJob
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.logs import LogStore
from app.storage.tables import ArtifactRow, BuildRow

SHA = "ab" * 32


@pytest.mark.parametrize(
    ("board", "measures", "log"),
    [
        ("mps2-an386-os", True, b"== not measured: boards with the device OS report when they run\n"),
        ("mps2-an386-os", False, b""),
        ("nucleo-f767zi", True, b""),
    ],
)
def test_a_build_for_a_board_with_the_device_os_says_why_its_figures_stay_estimates(
    tmp_path: Path, board: str, measures: bool, log: bytes
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'rows.sqlite3'}")
    database.migrate()
    build = BuildRow(
        id="bld_1", key="k", state="succeeded", builder_id="b", builder_digest="d", board=board, model="m", version=1,
        model_sha256=SHA, parameters={}, firmware_version="1.0.0", security_counter=1, artifact_sha256=SHA,
    )  # fmt: skip
    artifact = ArtifactRow(
        sha256=SHA, kind="firmware", size=1, board=board, firmware_version="1.0.0", security_counter=1, model="m",
        version=1, model_sha256=SHA, builder_digest="d", build_id="bld_1",
    )  # fmt: skip
    with database.write() as transaction:
        transaction.session.add_all((build, artifact))
    logs = LogStore(tmp_path / "logs")
    settings = Settings(data_dir=tmp_path, measure_builds=measures)
    try:
        MeasureJob(database, BlobStore(tmp_path / "blobs"), logs, settings).measure("bld_1")
    finally:
        database.close()
    assert logs.read("bld_1", 0)[0] == log
