"""Rules of what a good build leaves behind: result.json, the images, and that they are the same every time."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from builders.conformance.models import SOURCE_DATE_EPOCH
from builders.conformance.rule import Broken, Rule, Untried
from builders.conformance.subject import VERSION, Subject, ending
from builders.contract import RESULT_FILE, BuiltImage, Estimate, ImageKind
from builders.errors import BadResultError
from builders.signing import HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

_ESTIMATE_TOLERANCE = 0.25
_RAW = frozenset({"bin", "tflite", "tar"})
"""Formats whose file is what lies in the device's memory, byte for byte."""


def _schema(subject: Subject) -> str:
    if RESULT_FILE not in subject.valid.files:
        if subject.valid.code == 0 and subject.valid.problem is None:
            raise Broken("the builder ended with exit code 0 and wrote no result.json")
        raise Untried("there is no result.json to read")
    try:
        subject.valid.result()
    except BadResultError as problem:
        raise Broken(problem.message) from problem
    return RESULT_FILE


def _images(subject: Subject) -> Iterator[tuple[BuiltImage, bytes]]:
    for image in subject.success.images:
        yield image, subject.valid.files.get(image.file, b"")


def _files(subject: Subject) -> str:
    for image, content in _images(subject):
        if not content:
            state = "is empty" if image.file in subject.valid.files else "is not in /out"
            raise Broken(f"result.json lists {image.file}, which {state}")
        digest = hashlib.sha256(content).hexdigest()
        if digest != image.sha256:
            raise Broken(f"{image.file} has the sha256 {digest}, and result.json says {image.sha256}")
    return ", ".join(f"{image.file} ({len(content)} bytes)" for image, content in _images(subject))


def _version(subject: Subject) -> str:
    for image in subject.success.images:
        # A bootloader has versions of its own: it is the same whatever firmware it starts.
        if image.kind is not ImageKind.BOOTLOADER and image.version != VERSION:
            raise Broken(f"{image.file} has version {image.version}; build.json asked for {VERSION}")
    return str(VERSION)


def _address(subject: Subject) -> str:
    seen = []
    for image, content in _images(subject):
        name = subject.board.slot_for(image.kind, image.load_address)
        if name is None:
            raise Broken(
                f"{image.file} is loaded at {image.load_address:#x}, and board {subject.board.name} has no slot for "
                f"images of kind {image.kind.value} there",
                remedy=f"Correct load_address, or add slots.{image.kind.value} to the board in the manifest.",
            )
        slot = subject.board.slots[name]
        begin, end = image.load_address, image.load_address + (len(content) if image.format in _RAW else 1)
        if end > slot.address + slot.size:
            raise Broken(
                f"{image.file} lies at {begin:#x}..{end:#x}, "
                f"outside its slot {slot.address:#x}..{slot.address + slot.size:#x}"
            )
        signed = image.kind is not ImageKind.BOOTLOADER and image.format == "bin"
        if signed and begin != slot.address + HEADER_SIZE:
            raise Broken(
                f"{image.file} lies at {begin:#x}; the signed header takes the slot's first {HEADER_SIZE:#x} bytes, "
                f"so its place is {slot.address + HEADER_SIZE:#x}"
            )
        seen.append(f"{image.file} at {begin:#x} in slot {name}")
    return ", ".join(seen)


def _memory(subject: Subject) -> str:
    memory, board = subject.success.memory, subject.board
    largest = max((len(content) for image, content in _images(subject) if image.format in _RAW), default=1)
    for wrong, why in (
        (memory.flash_bytes < largest, f"flash_bytes is {memory.flash_bytes}, less than the image's {largest} bytes"),
        (memory.flash_bytes > board.flash_bytes, f"flash_bytes is {memory.flash_bytes} of {board.flash_bytes}"),
        (memory.ram_bytes > board.ram_bytes, f"ram_bytes is {memory.ram_bytes} of {board.ram_bytes}"),
        (memory.ram_bytes == 0, "ram_bytes is 0; a model needs some"),
        (
            memory.arena_bytes > memory.ram_bytes,
            f"arena_bytes is {memory.arena_bytes}, more than the {memory.ram_bytes} of ram_bytes, which it is part of",
        ),
    ):
        if wrong:
            raise Broken(why)
    return f"flash {memory.flash_bytes}, RAM {memory.ram_bytes}, arena {memory.arena_bytes}"


def _estimate(subject: Subject) -> str:
    built = subject.success.memory
    if not subject.manifest.estimates:
        raise Untried("the manifest does not offer estimates")
    trial = subject.run("an estimate", subject.files(subject.models.valid, estimate=True))
    result = trial.valid_result()
    if trial.code != 0 or not isinstance(result, Estimate):
        raise Broken(f"asked for an estimate: {ending(trial)}")
    for name in ("flash_bytes", "ram_bytes"):
        estimated, real = getattr(result.memory, name), getattr(built, name)
        if abs(estimated - real) > _ESTIMATE_TOLERANCE * real:
            raise Broken(f"{name} is estimated as {estimated}, and the build has {real}")
    return (
        f"flash {result.memory.flash_bytes} of {built.flash_bytes}, RAM {result.memory.ram_bytes} of {built.ram_bytes}"
    )


def _repeats(subject: Subject) -> str:
    first = subject.success
    trial = subject.again
    if trial.code != 0:
        raise Broken(f"the same build failed the second time: {ending(trial)}")
    for image, content in _images(subject):
        other = trial.files.get(image.file, b"")
        if other != content:
            where = next((i for i, (a, b) in enumerate(zip(content, other, strict=False)) if a != b), len(other))
            raise Broken(f"{image.file} differs from byte {where:#x} on between two builds of the same input")
    if subject.built(trial) != first:
        raise Broken("result.json differs between two builds of the same input")
    return "two builds, another second and machine name, the same bytes"


def _date(subject: Subject) -> str:
    _ = subject.success
    today = time.gmtime()
    spellings = {
        time.strftime(form, today).encode()
        for form in ("%Y-%m-%d", "%Y%m%d", "%b %d %Y", "%d %b %Y", "%d/%m/%Y", "%m/%d/%Y")
    }
    spellings.add(f"{time.strftime('%b', today)} {today.tm_mday:2d} {today.tm_year}".encode())  # C's __DATE__
    for image, content in _images(subject):
        found = next((spelling for spelling in sorted(spellings) if spelling in content), None)
        if found is not None:
            raise Broken(f"{image.file} holds today's date, {found.decode()}")
    return f"no date but that of source_date_epoch, {SOURCE_DATE_EPOCH}"


RULES = (
    Rule(
        "result.schema",
        "result.json follows its schema",
        "Compare it with builders/contract/result.schema.json; write it last.",
        _schema,
    ),
    Rule(
        "result.files",
        "Every image is there with its sha256",
        "Hash each file after its last byte is written.",
        _files,
    ),
    Rule("result.version", "The version is the requested one", "Take firmware_version from build.json.", _version),
    Rule(
        "result.address",
        "The load address is in its slot",
        "Link at the slot's address plus 0x200 (docs/reference/image-format.md).",
        _address,
    ),
    Rule(
        "result.memory",
        "The footprint is plausible",
        "Report what the linker or compiler measured, in bytes.",
        _memory,
    ),
    Rule(
        "estimate.agrees",
        "An estimate is near what is built",
        "Correct the estimate, or take `estimates` out of the manifest.",
        _estimate,
    ),
    Rule(
        "output.repeats",
        "The same input gives the same bytes",
        "Keep time, random numbers, temporary paths and the order of folders out of the output.",
        _repeats,
    ),
    Rule(
        "output.date",
        "The output holds no date of today",
        "Use SOURCE_DATE_EPOCH in place of the clock (gcc does by itself).",
        _date,
    ),
)
