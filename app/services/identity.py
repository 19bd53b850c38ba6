"""Ids of our own making: a prefix that tells the kind and 64 random bits."""

import secrets


def new_id(prefix: str) -> str:
    """For example `bld_0123456789abcdef`."""
    return f"{prefix}_{secrets.token_hex(8)}"
