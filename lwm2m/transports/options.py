"""Which options a request may have: one that changes its meaning and is not known is refused (RFC 7252, 5.4.1)."""

from typing import Any

import aiocoap.error
from aiocoap.numbers.optionnumbers import OptionNumber

# What aiocoap or the server acts upon, and two conditions that devices put on a download and nothing here depends on.
# A sender of Q-Block1 (RFC 9177) learns from it that it has to send in Block1: a part would pass for the whole.
_CRITICAL = frozenset(
    {
        OptionNumber.IF_MATCH,
        OptionNumber.URI_HOST,
        OptionNumber.IF_NONE_MATCH,
        OptionNumber.URI_PORT,
        OptionNumber.URI_PATH,
        OptionNumber.URI_QUERY,
        OptionNumber.ACCEPT,
        OptionNumber.BLOCK2,
        OptionNumber.BLOCK1,
    }
)
# Bytes that a number has at most; aiocoap reads any, and one of thousands of digits cannot even be printed.
_LONGEST = {
    OptionNumber.OBSERVE: 3,
    OptionNumber.CONTENT_FORMAT: 2,
    OptionNumber.ACCEPT: 2,
    OptionNumber.BLOCK2: 3,
    OptionNumber.BLOCK1: 3,
    OptionNumber.SIZE2: 4,
    OptionNumber.SIZE1: 4,
}


def check_options(request: Any) -> None:
    """Every option that matters is known, and a number that is used is one.

    Raises:
        aiocoap.error.BadOption: one is not (4.02).
    """
    for option in request.opt.option_list():
        number = option.number
        if number.is_critical() and number not in _CRITICAL:
            raise aiocoap.error.BadOption(f"option {int(number)} is not known here, and may not be ignored")
        longest = _LONGEST.get(number)
        if longest is not None and len(option.encode()) > longest:
            raise aiocoap.error.BadOption(f"option {int(number)} has more than {longest} bytes")
