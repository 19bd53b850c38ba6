"""Rules of the image itself, before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builders.conformance.rule import Broken, Rule
from builders.contract import LABEL, parse_manifest
from builders.errors import BadManifestError

if TYPE_CHECKING:
    from builders.conformance.subject import Subject


def _entrypoint(subject: Subject) -> str:
    entrypoint = subject.config.get("Entrypoint")
    if not entrypoint:
        raise Broken("the image has no ENTRYPOINT")
    return " ".join(map(str, entrypoint))[:200]


def _volume(subject: Subject) -> str:
    volumes = subject.config.get("Volumes")
    if volumes:
        raise Broken(f"the image declares VOLUME {', '.join(sorted(volumes))[:200]}")
    return "none"


def _manifest(subject: Subject) -> str:
    if subject.label is None:
        raise Broken(
            f"the image has no label {LABEL}",
            remedy=f'Build it with: docker build --label "{LABEL}=$(cat manifest.json)" ...',
        )
    try:
        manifest = parse_manifest(subject.label)
    except BadManifestError as problem:
        raise Broken(problem.message, remedy=problem.remedy) from problem
    return f"{manifest.name} {manifest.version}, {len(manifest.boards)} board(s)"


RULES = (
    Rule(
        "image.entrypoint", "The image names its program", 'Add ENTRYPOINT ["/builder"] to the Dockerfile.', _entrypoint
    ),
    Rule(
        "image.volume",
        "The image declares no volume",
        "Remove VOLUME from the Dockerfile: a builder writes to /out, /work and /tmp only.",
        _volume,
    ),
    Rule(
        "image.manifest",
        "The manifest follows its schema",
        "Compare the label with builders/contract/manifest.schema.json.",
        _manifest,
    ),
)
