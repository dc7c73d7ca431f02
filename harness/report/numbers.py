"""How figures are written, in one place: Markdown, HTML and the terminal show the same text."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from harness.report.spread import Spread

NOTHING: Final = "-"
SHARES: Final = ("accuracy", "accuracy_tta", "macro_f1", "ece")
"""Last parts of the metrics that are shares in [0, 1] and shown in percent."""

UNITS: Final = ((0.9995, "ms", 0.001, 0), (120, "s", 1.0, 1), (7200, "min", 60.0, 1), (math.inf, "h", 3600.0, 2))
"""Up to how many seconds each unit of time is used, its name, its seconds, its decimals."""


def percent(share: float) -> str:
    """Return a share in percent, without the sign.

    >>> percent(0.91234)
    '91.23'
    """
    return f"{share * 100:.2f}"


def percent_spread(spread: Spread | None) -> str:
    """Return mean and standard deviation in percent; a single seed has no deviation.

    >>> percent_spread(Spread(3, 0.9, 0.0012)), percent_spread(Spread(1, 0.9, None)), percent_spread(None)
    ('90.00 ± 0.12', '90.00', '-')
    """
    return NOTHING if spread is None else percent(spread.mean) + _plus_minus(spread, percent)


def points(share: float) -> str:
    """Return a difference of two shares in percentage points, with its sign.

    >>> points(-0.0123), points(0.5), points(-0.000001)
    ('-1.23', '+50.00', '0.00')
    """
    text = f"{share * 100:+.2f}"
    return "0.00" if text in {"+0.00", "-0.00"} else text


def points_spread(spread: Spread | None) -> str:
    """Return a difference's mean and standard deviation in percentage points."""
    return NOTHING if spread is None else points(spread.mean) + _plus_minus(spread, percent)


def duration(seconds: float) -> str:
    """Return a duration in its two largest units.

    >>> [duration(seconds) for seconds in (0.42, 42, 150, 7380, 183600)]
    ['0.4 s', '42 s', '2 min 30 s', '2 h 03 min', '2 d 3 h']
    """
    if not math.isfinite(seconds):
        return str(seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def duration_spread(spread: Spread | None) -> str:
    """Return a duration's mean and standard deviation in the unit that suits the mean.

    >>> duration_spread(Spread(2, 2400.0, 30.0)), duration_spread(Spread(1, 42.0, None))
    ('40.0 ± 0.5 min', '42.0 s')
    >>> duration_spread(Spread(2, 0.0123, 0.001))
    '12 ± 1 ms'
    """
    if spread is None:
        return NOTHING
    name, size, digits = next((unit[1:] for unit in UNITS if spread.mean < unit[0]), UNITS[-1][1:])
    scaled = Spread(spread.count, spread.mean / size, spread.deviation and spread.deviation / size)
    return f"{scaled.mean:.{digits}f}{_plus_minus(scaled, lambda value: f'{value:.{digits}f}')} {name}"


def rate_spread(spread: Spread | None) -> str:
    """Return a rate's mean and standard deviation, rounded to three figures of the mean.

    >>> rate_spread(Spread(2, 10289.8, 123.4)), rate_spread(Spread(1, 4.567, None))
    ('10,300 ± 100', '4.57')
    """
    if spread is None or not math.isfinite(spread.mean):
        return NOTHING
    digits = max(-9, 2 - math.floor(math.log10(abs(spread.mean)))) if spread.mean else 0
    return _rounded(spread.mean, digits) + _plus_minus(spread, lambda value: _rounded(value, digits))


def size_spread(spread: Spread | None) -> str:
    """Return a number of bytes with its standard deviation in MB or GB (powers of ten).

    >>> size_spread(Spread(1, 1748713472.0, None)), size_spread(Spread(2, 15_500_000.0, 400_000.0))
    ('1.75 GB', '15.5 ± 0.4 MB')
    """
    if spread is None or not math.isfinite(spread.mean):
        return NOTHING
    unit, size, digits = ("GB", 1e9, 2) if spread.mean >= 0.9995e9 else ("MB", 1e6, 1)
    each = [f"{value / size:,.{digits}f}" for value in (spread.mean, spread.deviation) if value is not None]
    return f"{' ± '.join(each)} {unit}"


def scaled(number: float) -> str:
    """Return a large count with three figures and a unit, as operations are given.

    >>> scaled(34_802_176), scaled(3_155_968), scaled(1.8e9), scaled(512)
    ('34.8 M', '3.16 M', '1.80 G', '512')
    """
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:
            value = number / size
            return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"
    return f"{number:.0f}"


def decimals_spread(spread: Spread | None, digits: int = 3) -> str:
    """Return mean and standard deviation with a fixed number of decimals.

    >>> decimals_spread(Spread(2, 0.45574, 0.0042))
    '0.456 ± 0.004'
    """
    if spread is None:
        return NOTHING
    return f"{spread.mean:.{digits}f}{_plus_minus(spread, lambda value: f'{value:.{digits}f}')}"


def p_text(p: float) -> str:
    """Return a p-value as papers give it.

    >>> p_text(0.00004), p_text(0.0312), p_text(0.2345), p_text(1.0)
    ('< 0.001', '0.031', '0.23', '1.00')
    """
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def whole(number: float) -> str:
    """Return a count with commas between thousands.

    >>> whole(11173962.0)
    '11,173,962'
    """
    return f"{number:,.0f}" if math.isfinite(number) else str(number)


def is_share(metric: str) -> bool:
    """Whether a metric is a share in [0, 1]."""
    return metric.rpartition("/")[2] in SHARES


def unit_of(metric: str) -> str:
    """Return the unit a metric is shown in: "%" or nothing (a time says its units itself)."""
    return "%" if is_share(metric) else ""


def metric_text(metric: str, value: float) -> str:
    """Return a metric's value as it is shown: shares in percent, times in their units.

    >>> metric_text("test/accuracy", 0.5), metric_text("time/train_seconds", 61), metric_text("test/loss", 0.34567)
    ('50.00', '1 min 01 s', '0.3457')
    """
    if is_share(metric):
        return percent(value)
    if metric.endswith("_seconds"):
        return duration(value)
    return whole(value) if metric.startswith("model/") else f"{value:.4g}"


def metric_spread(metric: str, spread: Spread | None) -> str:
    """Return a metric's mean and standard deviation as they are shown."""
    if spread is None:
        return NOTHING
    if metric.endswith("_seconds"):
        return duration_spread(spread)
    return metric_text(metric, spread.mean) + _plus_minus(spread, lambda value: metric_text(metric, value))


def moment(seconds: float) -> str:
    """Return Unix seconds as date and time in UTC.

    >>> moment(0)
    '1970-01-01 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def amount(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> amount(1, "seed"), amount(3, "seed"), amount(2, "study", "studies")
    ('1 seed', '3 seeds', '2 studies')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _rounded(number: float, digits: int) -> str:
    """Return a number rounded to so many decimals, to tens or hundreds where `digits` is negative."""
    return f"{round(number, digits):,.{max(0, digits)}f}"


def _plus_minus(spread: Spread, text: Callable[[float], str]) -> str:
    return "" if spread.deviation is None else f" ± {text(spread.deviation)}"
