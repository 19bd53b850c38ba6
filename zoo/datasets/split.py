"""Which samples train, which choose and which judge a model: seeded, stratified, and never across a group."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.datasets.errors import BadSplitError
from zoo.datasets.snapshot import PARTS, Part
from zoo.datasets.upload import Sample


@dataclass(frozen=True)
class Plan:
    """The shares of the parts, which add up to 1; `by_group` keeps the samples of one origin together."""

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15
    seed: int = 0
    by_group: bool = True

    @property
    def shares(self) -> Mapping[Part, float]:
        """By part."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def assign(plan: Plan, samples: Sequence[Sample]) -> Mapping[Part, NDArray[np.int32]]:
    """The indices of each part.

    Samples that the uploader put into a part stay there, whatever the shares; the others are dealt out so that each
    part has its share of each label. Equal samples, and with `by_group` those of one origin, stay together. The order
    of the samples has no influence. BadSplitError when the shares are wrong or a part with a share gets no samples.
    """
    shares = plan.shares
    if not all(0 <= share <= 1 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise BadSplitError(f"The shares {', '.join(f'{share:g}' for share in shares.values())} do not add up to 1.")
    if shares["train"] == 0:
        raise BadSplitError("Without a share for train there is nothing to learn from.", field="body.train")
    parts: dict[Part, list[int]] = {part: [] for part in PARTS}
    units: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        if sample.part is not None:
            parts[sample.part].append(index)
        else:
            units[_unit(sample, by_group=plan.by_group)].append(index)
    _deal(plan, samples, units, parts)
    empty = [part for part in PARTS if shares[part] > 0 and not parts[part]]
    if empty:
        raise BadSplitError(
            f"{len(samples)} samples in {len(units)} groups leave nothing for {' and '.join(empty)}.",
            remedy="Upload more, split by sample instead of by group, or give that part a share of 0.",
        )
    return {part: np.array(sorted(parts[part]), np.int32) for part in PARTS}


def _unit(sample: Sample, *, by_group: bool) -> str:
    return f"group {sample.origin}" if by_group and sample.origin is not None else f"sample {sample.sha256}"


def _deal(
    plan: Plan, samples: Sequence[Sample], units: Mapping[str, list[int]], parts: Mapping[Part, list[int]]
) -> None:
    """Give each unit to the part that lacks most of the unit's labels: large units first, equal ones by the seed."""
    counts = Counter(sample.label for sample in samples if sample.part is None)
    lacking = {part: {label: share * count for label, count in counts.items()} for part, share in plan.shares.items()}

    def rank(unit: str) -> tuple[int, str]:
        return -len(units[unit]), hashlib.sha256(f"{plan.seed} {unit}".encode()).hexdigest()

    for unit in sorted(units, key=rank):
        labels = Counter(samples[index].label for index in units[unit])
        wanted = {
            part: sum(count * need[label] for label, count in labels.items())
            for part, need in lacking.items()
            if plan.shares[part] > 0
        }
        part = max(wanted, key=wanted.__getitem__)
        parts[part].extend(units[unit])
        for label, count in labels.items():
            lacking[part][label] -= count
