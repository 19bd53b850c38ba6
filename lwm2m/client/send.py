"""The payload of a Send: values with the time they are of, in SenML CBOR."""

from collections.abc import Mapping

from lwm2m.codecs import senml
from lwm2m.nodes import Node, flatten
from lwm2m.paths import Path


def encode_send(nodes: Mapping[Path, Node], at: float) -> bytes:
    """One record per value, all under the base time `at`, in seconds since 1970."""
    pack = senml.pack_leaves((leaf for path, node in nodes.items() for leaf in flatten(path, node)), binary=True)
    if pack:
        pack[0] = {"bt": at} | pack[0]
    return senml.write_cbor(pack)
