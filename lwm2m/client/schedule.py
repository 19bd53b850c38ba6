"""When a device registers, updates and tries again: pure functions of lifetime, attempt and chance."""

MAX_UPDATE_INTERVAL = (
    240.0  # NAT mappings for UDP are forgotten after it (facts: slirp kept one 239 s and lost it by 360)
)
BACKOFF_BASE = 1.0
BACKOFF_CAP = 60.0


def update_interval(lifetime: int) -> float:
    """Seconds between registration updates: a third of the lifetime, so that one lost update does not matter."""
    return min(lifetime / 3, MAX_UPDATE_INTERVAL)


def backoff(attempt: int, chance: float) -> float:
    """Seconds before attempt number `attempt` (from 1) with full jitter; `chance` is uniform in [0, 1)."""
    return float(min(BACKOFF_CAP, BACKOFF_BASE * 2 ** min(attempt, 16)) * chance)
