"""Numbers as people read them: durations, counts, bytes."""

from __future__ import annotations

_LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def duration(seconds: float | None) -> str:
    """Return a duration in its two largest units; `?` when it is not known.

    >>> [duration(s) for s in (0.42, 42, 150, 7380, 183600, None)]
    ['0.4 s', '42 s', '2 min 30 s', '2 h 03 min', '2 d 3 h', '?']
    """
    if seconds is None:
        return "?"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


def rough(seconds: float) -> str:
    """Return a guessed duration, with no more figures than a guess has.

    >>> [rough(s) for s in (3.3, 42, 150, 7380)]
    ['3 s', '42 s', '3 min', '2 h 03 min']
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = max(2, int(seconds / 60 + 0.5))
    return f"{minutes} min" if minutes < 60 else duration(60 * minutes)


def clock(seconds: float) -> str:
    """Return a running time as a clock shows it.

    >>> [clock(s) for s in (7, 65, 3661)]
    ['0:07', '1:05', '1:01:01']
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(number: float | None) -> str:
    """Return a count to three figures with a unit prefix; `-` when there is none.

    >>> [count(n) for n in (650, 62_006, 11_173_962, 555_422_720, None)]
    ['650', '62.0k', '11.2M', '555M', '-']
    """
    if number is None:
        return "-"
    for size, letter in _LARGE:
        if number >= 0.9995 * size:
            scaled = number / size
            return f"{scaled:.{max(0, 2 - len(str(int(scaled))) + 1)}f}{letter}"
    return f"{number:.0f}"


def size(bytes_: float) -> str:
    """Return a number of bytes in decimal units.

    >>> [size(n) for n in (512, 153_600_000, 2.5e9)]
    ['512 B', '154 MB', '2.5 GB']
    """
    for unit_bytes, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if bytes_ >= unit_bytes:
            scaled = bytes_ / unit_bytes
            return f"{scaled:.1f} {unit}" if scaled < 10 else f"{scaled:.0f} {unit}"
    return f"{bytes_:.0f} B"


def thousands(number: int | None) -> str:
    """Return a whole number with its thousands apart; `-` when there is none.

    >>> thousands(11_173_962)
    '11,173,962'
    """
    return "-" if number is None else f"{number:,}"


def amount(number: int, thing: str) -> str:
    """Return a number of things.

    >>> amount(1, "cell"), amount(2, "cell")
    ('1 cell', '2 cells')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
