"""The key that signs firmware: made at the first start, kept in the data folder, never given to a builder."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from app.storage.files import write_atomically
from builders.signing import generate_key, load_key, public_pem


def signing_key(data_dir: Path) -> EllipticCurvePrivateKey:
    """The private key; its public half lies beside it as `signing-public.pem`, for devices."""
    folder = data_dir / "keys"
    path = folder / "signing.pem"
    key = load_key(path) if path.exists() else generate_key(path)
    write_atomically(folder / "signing-public.pem", public_pem(key))
    return key
