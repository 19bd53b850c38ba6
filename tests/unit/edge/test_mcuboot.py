"""Only an intact image, signed with the right key, for this board and not older than the last, is accepted."""

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.mcuboot import HEADER, ImageRefused, Refusal, Version, parse, verify
from lwm2m.firmware import UpdateResult

BOARD = "mps2-an386"


def refusal(image: bytes, key: Any, **options: Any) -> ImageRefused:
    with pytest.raises(ImageRefused) as caught:
        verify(image, key.public_pem, **options)
    return caught.value


def test_a_signed_image_is_taken_apart_into_what_it_says_about_itself(image: bytes, key: Any, recipe: Any) -> None:
    firmware = verify(image, key.public_pem, board=BOARD, minimum_counter=7, slot_size=len(image))
    assert firmware.version == Version(1, 2, 3, 4)
    assert str(firmware.version) == "1.2.3+4"
    assert firmware.security_counter == 7
    assert firmware.board == BOARD
    assert firmware.model_sha256 == bytes(range(32)).hex()
    assert firmware.golden_outputs == (b"\x01\x02\x03", b"\x04\x05\x06")
    assert firmware.payload == recipe().payload
    assert firmware.header_size == 0x200
    assert parse(image) == firmware


def test_an_image_signed_with_another_key_is_refused(image: bytes, other_key: Any) -> None:
    refused = refusal(image, other_key)
    assert refused.reason is Refusal.WRONG_KEY
    assert refused.result == UpdateResult.INTEGRITY_FAILURE


def test_another_signature_under_the_right_key_hash_is_refused(
    image: bytes, key: Any, other_key: Any, sign: Any, recipe: Any
) -> None:
    foreign = sign(other_key, recipe())
    size, protected = struct.unpack_from("<I", image, 12)[0], struct.unpack_from("<H", image, 10)[0]
    signature_area = 0x200 + size + protected + 4 + 4 + 32 + 4 + 32
    forged = image[:signature_area] + foreign[signature_area:]
    forged = (
        forged[: signature_area - 72 - 4]
        + struct.pack("<HH", 0x6907, len(forged) - signature_area + 76)
        + (forged[signature_area - 72 :])
    )
    assert refusal(forged, key).reason is Refusal.WRONG_SIGNATURE


def test_an_unsigned_image_is_refused(key: Any, sign: Any, recipe: Any) -> None:
    refused = refusal(sign(None, recipe()), key)
    assert refused.reason is Refusal.UNSIGNED
    assert refused.result == UpdateResult.INTEGRITY_FAILURE


def test_one_flipped_byte_anywhere_is_refused(image: bytes, key: Any) -> None:
    for offset in range(len(image)):
        damaged = bytearray(image)
        damaged[offset] ^= 0x40
        result = refusal(bytes(damaged), key).result
        assert result in (UpdateResult.INTEGRITY_FAILURE, UpdateResult.UNSUPPORTED_PACKAGE), offset


def test_an_image_cut_off_anywhere_is_refused(image: bytes, key: Any) -> None:
    for length in range(len(image)):
        refusal(image[:length], key)


def test_bytes_after_the_last_field_are_refused(image: bytes, key: Any) -> None:
    assert refusal(image + b"\0", key).reason is Refusal.MALFORMED


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(noise=st.binary(max_size=2000), keep=st.integers(0, 40))
def test_random_bytes_are_refused_and_never_crash_the_parser(image: bytes, key: Any, noise: bytes, keep: int) -> None:
    refusal(image[:keep] + noise, key)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(fields=st.tuples(*[st.integers(0, limit) for limit in (0xFFFF, 0xFFFF, 0xFFFFFFFF)]))
def test_random_sizes_in_the_header_are_refused(image: bytes, key: Any, fields: tuple[int, int, int]) -> None:
    header_size, protected_size, payload_size = fields
    header = bytearray(image[: HEADER.size])
    struct.pack_into("<HHI", header, 8, header_size, protected_size, payload_size)
    if bytes(header) != image[: HEADER.size]:
        refusal(bytes(header) + image[HEADER.size :], key)


@pytest.mark.parametrize(
    ("options", "reason", "result"),
    [
        ({"board": "mps2-an385"}, Refusal.WRONG_BOARD, UpdateResult.UNSUPPORTED_PACKAGE),
        ({"minimum_counter": 8}, Refusal.OLDER_COUNTER, UpdateResult.UPDATE_FAILED),
        ({"slot_size": 512}, Refusal.TOO_LARGE, UpdateResult.NOT_ENOUGH_FLASH),
    ],
)
def test_a_good_image_for_other_circumstances_is_refused_with_its_own_result(
    image: bytes, key: Any, options: dict[str, Any], reason: Refusal, result: UpdateResult
) -> None:
    refused = refusal(image, key, **options)
    assert (refused.reason, refused.result) == (reason, result)


@pytest.mark.parametrize("kind", [b"\x01", b"\x02", b"", b"\x00\x00"])
def test_a_signed_image_that_is_no_firmware_is_not_for_the_firmware_slot(
    key: Any, sign: Any, recipe: Any, kind: bytes
) -> None:
    image = sign(key, recipe(fields={**recipe().fields, 0xA4: kind}))
    refused = refusal(image, key, board=BOARD)
    assert (refused.reason, refused.result) == (Refusal.WRONG_KIND, UpdateResult.UNSUPPORTED_PACKAGE)


def test_firmware_that_says_more_about_itself_is_accepted(key: Any, sign: Any, recipe: Any) -> None:
    image = sign(key, recipe(fields={**recipe().fields, 0xA3: bytes(32), 0xA4: b"\x00"}))
    assert verify(image, key.public_pem, board=BOARD).golden_outputs == (b"\x01\x02\x03", b"\x04\x05\x06")


def test_a_file_of_another_type_is_unsupported(key: Any) -> None:
    refused = refusal(b"\x7fELF" + bytes(600), key)
    assert (refused.reason, refused.result) == (Refusal.WRONG_MAGIC, UpdateResult.UNSUPPORTED_PACKAGE)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fields": {0xA1: bytes(32)}}, Refusal.MISSING_FIELD),
        ({"fields": {0xA0: b"b", 0xA1: bytes(31), 0xA2: b"\1\0\1\0\0\0x"}}, Refusal.MALFORMED),
        ({"fields": {0xA0: b"\xff", 0xA1: bytes(32), 0xA2: b"\1\0\1\0\0\0x"}}, Refusal.MALFORMED),
        ({"fields": {0xA0: b"b", 0xA1: bytes(32), 0xA2: b"\1\0\1\0\0"}}, Refusal.MALFORMED),
        ({"fields": {0xA0: b"b", 0xA1: bytes(32), 0xA2: b"\2\0\1\0\0\0x"}}, Refusal.MALFORMED),
        ({"fields": {0xA0: b"b", 0xA1: bytes(32), 0xA2: b"\0\0\1\0\0\0"}}, Refusal.MALFORMED),
        ({"fields": {0xA0: b"b", 0xA1: bytes(32), 0xA2: b"\x11\0\1\0\0\0" + bytes(17)}}, Refusal.MALFORMED),
        ({"header_size": 0x400}, Refusal.UNSUPPORTED_HEADER),
        ({"extra": ("--non-bootable",)}, Refusal.UNSUPPORTED_HEADER),
        ({"payload": b"tiny"}, Refusal.UNSUPPORTED_HEADER),
    ],
)
def test_a_signed_image_that_breaks_the_project_s_format_is_refused(
    key: Any, sign: Any, recipe: Any, changes: dict[str, Any], reason: Refusal
) -> None:
    assert refusal(sign(key, recipe(**changes)), key).reason is reason


@pytest.mark.parametrize("text", ["1.2", "1.2.3+", "256.0.0", "1.0.65536", "1.0.0+4294967296", "a.b.c", "1.2.3+4 ", ""])
def test_a_version_that_does_not_fit_the_header_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|does not fit"):
        Version.parse(text)


def test_a_version_without_build_number_has_build_zero() -> None:
    assert Version.parse("1.2.3") == Version(1, 2, 3, 0)
