"""Takes in what devices tell of their inferences: into windows, and from window to window to alarms."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from sqlmodel import Session

from app.domain.drift import Standing, Turn, step
from app.services.alarms import MODEL_CHANGED, RECOVERED, AlarmService
from app.services.devices import RunningModel, running_model
from app.services.drift_reading import Reading
from app.storage import alarms as alarm_rows
from app.storage import devices as device_rows
from app.storage import drift as rows
from app.storage import models as model_rows
from app.storage.columns import now
from app.storage.database import Database
from app.storage.drift_tables import DriftDeviceRow, DriftMonitorRow, DriftWindowRow
from zoo.drift import Comparison, Distribution, Limits, Reference, compare, observe
from zoo.inspect import TensorReport
from zoo.tensors import single_tensor, to_real

KEPT_WINDOWS = 32
"""Of a device under a monitor, with the open one."""


@dataclass(frozen=True, slots=True)
class _Watch:
    """A monitor that can compare."""

    monitor: DriftMonitorRow
    reference: Reference
    output: TensorReport

    @property
    def limits(self) -> Limits:
        settings = self.monitor.settings
        return Limits(settings["psi_limit"], settings["distance_limit"], settings["significance"])

    @property
    def statistics(self) -> Mapping[str, Distribution]:
        wanted = self.monitor.settings["statistics"]
        known = self.reference.distributions
        return {name: known[name] for name in known if wanted is None or name in wanted}


class DriftIntake:
    """One batch is one transaction: what it says is counted wholly or, when the process dies, not at all."""

    def __init__(self, database: Database, alarms: AlarmService) -> None:
        self._database = database
        self._alarms = alarms

    def take(self, readings: Sequence[Reading], dropped: Mapping[str, int]) -> int:
        """Count readings; `dropped` are those of each endpoint that were too many. How many alarms were raised."""
        told = defaultdict[str, list[Reading]](list)
        for reading in readings:
            told[reading.endpoint].append(reading)
        with self._database.read() as session:
            if not rows.any_monitor(session):
                return 0
        raised = 0
        with self._database.write() as transaction, transaction.session.no_autoflush:
            session = transaction.session
            running = _running(session, told)
            self._clear_others(session, running)
            for sha256 in dict.fromkeys(running.values()):
                watch = _watch(session, sha256)
                if watch is None:
                    continue
                endpoints = [endpoint for endpoint, model in running.items() if model == sha256]
                standings = rows.devices_of(session, watch.monitor.id, endpoints)
                windows = rows.open_windows(session, watch.monitor.id, endpoints)
                for endpoint in endpoints:
                    row = standings.get(endpoint) or DriftDeviceRow(
                        monitor_id=watch.monitor.id, endpoint=endpoint, standing=Standing().to_json()
                    )
                    skipped = Counter({"too_many": dropped.get(endpoint, 0)})
                    raised += self._count(session, watch, row, windows.get(endpoint), told[endpoint], skipped)
                    row.skipped = dict(Counter(row.skipped) + skipped)
                    row.updated_at = now()
                    session.add(row)
        return raised

    def _clear_others(self, session: Session, running: Mapping[str, str]) -> None:
        """A device that runs another model now does not drift with the one before."""
        for alarm in alarm_rows.open_of_devices(session, running):
            monitor = rows.monitor(session, alarm.monitor_id)
            if monitor is None or monitor.model_sha256 == running[alarm.endpoint]:
                continue
            self._alarms.clear(session, alarm, MODEL_CHANGED)
            standing = rows.device(session, alarm.monitor_id, alarm.endpoint)
            if standing is not None:
                standing.standing = Standing().to_json()
                session.add(standing)

    def _count(
        self,
        session: Session,
        watch: _Watch,
        row: DriftDeviceRow,
        window: DriftWindowRow | None,
        readings: Sequence[Reading],
        skipped: Counter[str],
    ) -> int:
        """Readings of one device into its window, and into the next ones; how many alarms that raises."""
        monitor, raised = watch.monitor, 0
        for reading in readings:
            if reading.sequence == row.last_sequence:
                continue  # told again: a board sends its last output every half a minute, new or not
            values = _values(watch, reading, skipped)
            if values is None:
                continue
            row.last_sequence, row.samples = reading.sequence, row.samples + 1
            if window is None:
                window = DriftWindowRow(monitor_id=monitor.id, endpoint=row.endpoint, number=row.windows + 1)
            _add(watch, window, values)
            session.add(window)
            if window.samples >= monitor.settings["window_samples"]:
                raised += self._close(session, watch, row, window)
                window = None
        return raised

    def _close(self, session: Session, watch: _Watch, row: DriftDeviceRow, window: DriftWindowRow) -> int:
        """Compare a full window, and do what follows from it; 1 when an alarm is raised."""
        monitor = watch.monitor
        seen = {name: Distribution.of_json(item) for name, item in window.distributions.items()}
        found = compare(watch.statistics, seen, watch.limits)
        window.comparisons = [asdict(item) for item in found]
        window.closed_at = now()
        row.windows = window.number
        consecutive: int = monitor.settings["consecutive"]
        result = step(Standing.of_json(row.standing), {item.statistic: item.ratio for item in found}, consecutive)
        row.standing = result.standing.to_json()
        session.flush()
        rows.forget_windows_before(session, monitor.id, row.endpoint, window.number - KEPT_WINDOWS + 2)
        alarm = alarm_rows.open_of(session, monitor.id, row.endpoint)
        if result.turn is Turn.RAISE:
            [worst] = [item for item in found if item.statistic == result.statistic]
            first = rows.window(session, monitor.id, row.endpoint, window.number - consecutive + 1)
            self._alarms.raise_(session, monitor, window, worst, first)
            return 1
        if alarm is not None:
            alarm.latest = list(window.comparisons)
            session.add(alarm)
            if result.turn is Turn.CLEAR:
                self._alarms.clear(session, alarm, RECOVERED)
        return 0


def _running(session: Session, endpoints: Collection[str]) -> dict[str, str]:
    """The SHA-256 of the model that each device runs, of those that are known and run a known one."""
    known: dict[tuple[str | None, ...], RunningModel | None] = {}
    running = {}
    for device in device_rows.by_endpoints(session, endpoints):
        key = (device.artifact_sha256, device.model_artifact_sha256, device.model_sha256)
        if key not in known:
            known[key] = running_model(session, device)
        model = known[key]
        if model is not None:
            running[device.endpoint] = model.model_sha256
    return running


def _watch(session: Session, sha256: str) -> _Watch | None:
    """The monitor of a model, once its reference is there."""
    monitor = rows.monitor_of(session, sha256)
    if monitor is None:
        return None
    reference = rows.reference(session, monitor.model, monitor.version, monitor.snapshot_sha256)
    version = model_rows.version(session, monitor.model, monitor.version)
    if reference is None or version is None:
        return None
    output = single_tensor(version.report["outputs"], "output")
    return _Watch(monitor, Reference.of_json(reference.document), output)


def _values(watch: _Watch, reading: Reading, skipped: Counter[str]) -> dict[str, float] | None:
    """What is counted of a reading; None, and the reason, when it cannot be one of the model's."""
    if reading.model_sha256 not in (None, watch.monitor.model_sha256):
        skipped["other_model"] += 1
        return None
    if len(reading.output) != watch.output.size:
        skipped["output_size"] += 1
        return None
    stored = np.frombuffer(reading.output, np.dtype(watch.output.dtype).newbyteorder("<"))
    real = to_real(stored, watch.output)
    if not np.isfinite(real).all():
        skipped["not_finite"] += 1
        return None
    return observe(watch.reference, real, input_mean=reading.input_mean, input_deviation=reading.input_deviation)


def _add(watch: _Watch, window: DriftWindowRow, values: Mapping[str, float]) -> None:
    counted = dict(window.distributions)
    for name, value in values.items():
        known = watch.reference.distributions[name]
        before = Distribution.of_json(counted[name]) if name in counted else known.emptied()
        counted[name] = asdict(before.with_value(value))
    window.distributions, window.samples = counted, window.samples + 1


def comparisons_of(window: DriftWindowRow) -> Iterator[Comparison]:
    """What a closed window came to."""
    for item in window.comparisons or ():
        yield Comparison(**item)
