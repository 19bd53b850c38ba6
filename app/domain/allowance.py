"""How much each of many senders may send: a token bucket for each, in bounded memory, pure."""

from collections import OrderedDict

MAX_SENDERS = 100_000


class Allowance:
    """`per_second` on average and `burst` at once, for each sender; seconds are given, so that nothing waits."""

    def __init__(self, *, per_second: float, burst: int, max_senders: int = MAX_SENDERS) -> None:
        self._per_second = per_second
        self._burst = burst
        self._max_senders = max_senders
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, sender: str, wanted: int, at: float) -> int:
        """How many of `wanted` are within the allowance of `sender` at the moment `at`."""
        left, since = self._left.pop(sender, (float(self._burst), at))
        left = min(float(self._burst), left + max(0.0, at - since) * self._per_second)
        taken = min(wanted, int(left))
        self._left[sender] = (left - taken, at)
        if len(self._left) > self._max_senders:
            self._left.popitem(last=False)  # who was silent longest: its bucket is the fullest
        return taken
