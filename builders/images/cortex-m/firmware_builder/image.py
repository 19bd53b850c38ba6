"""What a build gives: image files; and the folder of the builder's own files."""

from dataclasses import dataclass
from pathlib import Path

IMAGE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Image:
    """One file of a build; `load_address` is that of its first byte."""

    kind: str
    file: str
    content: bytes
    load_address: int
