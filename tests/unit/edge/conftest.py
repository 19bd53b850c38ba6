"""Keys and images for the edge tests; images are made by imgtool, which the verifier shares no code with."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from imgtool.main import imgtool

BOARD = "mps2-an386"
MODEL = bytes(range(32))
GOLDEN = (b"\x01\x02\x03", b"\x04\x05\x06")


@dataclass(frozen=True)
class SigningKey:
    private: Path
    public_pem: bytes


@dataclass(frozen=True)
class Recipe:
    """What goes into an image; the defaults make a good one."""

    payload: bytes = bytes.fromhex("00004020 01020021") + b"code" * 40
    version: str = "1.2.3+4"
    counter: int = 7
    header_size: int = 0x200
    fields: dict[int, bytes] = field(
        default_factory=lambda: {0xA0: BOARD.encode(), 0xA1: MODEL, 0xA2: golden_field(GOLDEN)}
    )
    extra: tuple[str, ...] = ()


def golden_field(outputs: tuple[bytes, ...]) -> bytes:
    return struct.pack("<HI", len(outputs), len(outputs[0])) + b"".join(outputs)


def make_key(folder: Path, name: str) -> SigningKey:
    key = ec.generate_private_key(ec.SECP256R1())
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(path, public)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return make_key(tmp_path_factory.mktemp("keys"), "key")


@pytest.fixture(scope="session")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return make_key(tmp_path_factory.mktemp("keys"), "other")


@pytest.fixture(scope="session")
def sign(tmp_path_factory: pytest.TempPathFactory) -> Callable[[SigningKey | None, Recipe], bytes]:
    folder = tmp_path_factory.mktemp("images")

    def run(signer: SigningKey | None, recipe: Recipe) -> bytes:
        source, target = folder / "payload.bin", folder / "signed.bin"
        source.write_bytes(recipe.payload)
        arguments = ["sign", "-v", recipe.version, "-H", hex(recipe.header_size), "--pad-header", "-S", hex(4 << 20)]
        arguments += ["-s", str(recipe.counter), "--align", "1"]
        for tag, content in recipe.fields.items():
            tlv = folder / f"tlv-{tag:x}.bin"
            tlv.write_bytes(content)
            arguments += ["--custom-tlv-file", hex(tag), str(tlv)]
        if signer is not None:
            arguments += ["-k", str(signer.private)]
        imgtool.main([*arguments, *recipe.extra, str(source), str(target)], standalone_mode=False)
        return target.read_bytes()

    return run


@pytest.fixture(scope="session")
def recipe() -> type[Recipe]:
    return Recipe


@pytest.fixture(scope="session")
def image(sign: Callable[[SigningKey | None, Recipe], bytes], key: SigningKey) -> bytes:
    return sign(key, Recipe())
