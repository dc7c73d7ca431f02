"""Times as the ledger has them: UTC in ISO 8601, whole seconds, the rest cut off."""

from __future__ import annotations

from datetime import datetime


def second_of(text: str) -> int | None:
    """Return the Unix second that a time lies in; None for what is no time.

    The ledger cuts off fractions, so times are compared by their seconds alone.

    >>> second_of("1970-01-01T00:01:00.9+00:00"), second_of("")
    (60, None)
    """
    try:
        return int(datetime.fromisoformat(text).timestamp() // 1)
    except ValueError:
        return None


def shown(text: str) -> str:
    """Return a time for people, without its zone.

    >>> shown("2026-11-21T05:00:00+00:00")
    '2026-11-21 05:00:00'
    """
    return text.replace("T", " ").removesuffix("+00:00")[:19]
