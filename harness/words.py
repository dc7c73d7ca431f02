"""Numbers, durations, sizes, metrics, settings and times as text: the terminal and every form of the report share it.

Functions that take a `Spread` return mean ± standard deviation and `-` for None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean, stdev
from typing import Any, Final

from pydantic import JsonValue

from harness.contracts.metrics import metric_of
from harness.errors import printable

NOTHING: Final = "-"
"""Stands where there is no value."""
SHOWN: Final = 10
"""How many items of a list a message names."""
_PREFIXES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SIZES: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_TIMES: Final = ((0.9995, "ms", 0.001, 0), (120, "s", 1.0, 1), (7200, "min", 60.0, 1), (math.inf, "h", 3600.0, 2))
"""Up to how many seconds a spread of times has each unit, its name, its seconds, its decimals."""


SOURCES: Final = {
    "T0": 'a computer-vision book, section 19.5, "Training a real CNN end to end"',
    "T1": "an end-to-end CIFAR-10 course project",
    "T2": "an image-classifier lesson with a ResNet-18 recipe",
    "T3": '"Deep Learning with PyTorch, Lesson 6"',
}
"""What the labels stand for by which claims and models' documentation name the tutorials that they come from."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over `count` seeds. `deviation` divides by n - 1; a single seed has none."""

    count: int
    mean: float
    deviation: float | None


def spread_of(values: Iterable[float]) -> Spread | None:
    """Return the spread of the values, None of no values; one that is not finite makes the mean so.

    >>> spread_of([1.0, 2.0, 3.0])
    Spread(count=3, mean=2.0, deviation=1.0)
    """
    given = list(values)
    if not given:
        return None
    if not all(map(math.isfinite, given)):
        return Spread(len(given), math.nan, None)
    return Spread(len(given), fmean(given), stdev(given) if len(given) > 1 else None)


# Counts


def amount(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> amount(1, "seed"), amount(3, "seed"), amount(2, "study", "studies")
    ('1 seed', '3 seeds', '2 studies')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def whole(number: float | None) -> str:
    """Return a count with commas between thousands.

    >>> whole(11173962.0), whole(None)
    ('11,173,962', '-')
    """
    if number is None:
        return NOTHING
    return f"{number:,.0f}" if math.isfinite(number) else str(number)


def scaled(number: float | None) -> str:
    """Return a large count with three figures and a prefix, as parameters and operations are given.

    >>> [scaled(number) for number in (650, 62_006, 3_155_968, 555_422_720, 1.8e9, None)]
    ['650', '62.0k', '3.16M', '555M', '1.80G', '-']
    """
    if number is None:
        return NOTHING
    size, prefix = _unit(number, _PREFIXES)
    return f"{number / size:.{_decimals(number / size)}f}{prefix}" if prefix else f"{number:.0f}"


def listed(items: Sequence[str]) -> str:
    """Return the items one a line, the first ten, then "and N more"."""
    lines = [f"  {item}" for item in items[:SHOWN]]
    if len(items) > SHOWN:
        lines.append(f"  and {len(items) - SHOWN:,} more")
    return "\n".join(lines)


def sources_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Return what the labels T0 to T3 stand for, of those that are in the texts.

    >>> sources_in(["a small CNN (T0)", "T0, 30 epochs"])
    ('T0: a computer-vision book, section 19.5, "Training a real CNN end to end"',)
    """
    used = {label for text in texts for label in re.findall(r"\bT[0-3]\b", text)}
    return tuple(f"{label}: {SOURCES[label]}" for label in sorted(used))


# Shares, rates and p-values


def percent(share: float) -> str:
    """Return a share in percent, without the sign.

    >>> percent(0.91234)
    '91.23'
    """
    return f"{share * 100:.2f}"


def few(names: Sequence[str], most: int = 5) -> str:
    """Return the first few names, and the number of the others.

    >>> few(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def whole_percent(share: float) -> str:
    """Return a share as whole percent, never hiding what is there or what is missing, without the sign.

    >>> [whole_percent(share) for share in (0.001, 0.034, 0.999, 1.0)]
    ['<1', '3', '>99', '100']
    """
    if 0 < share < 0.01:
        return "<1"
    return ">99" if 0.99 < share < 1 else f"{share * 100:.0f}"


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


def decimals_spread(spread: Spread | None, digits: int = 3) -> str:
    """Return mean and standard deviation with a fixed number of decimals.

    >>> decimals_spread(Spread(2, 0.45574, 0.0042))
    '0.456 ± 0.004'
    """
    if spread is None:
        return NOTHING
    return f"{spread.mean:.{digits}f}{_plus_minus(spread, lambda value: f'{value:.{digits}f}')}"


def rate_spread(spread: Spread | None) -> str:
    """Return a rate's mean and standard deviation, rounded to three figures of the mean.

    >>> rate_spread(Spread(2, 10289.8, 123.4)), rate_spread(Spread(1, 4.567, None))
    ('10,300 ± 100', '4.57')
    """
    if spread is None or not math.isfinite(spread.mean):
        return NOTHING
    digits = max(-9, 2 - math.floor(math.log10(abs(spread.mean)))) if spread.mean else 0
    return _rounded(spread.mean, digits) + _plus_minus(spread, lambda value: _rounded(value, digits))


def p_text(p: float) -> str:
    """Return a p-value as papers give it.

    >>> p_text(0.00004), p_text(0.0312), p_text(0.2345), p_text(1.0)
    ('< 0.001', '0.031', '0.23', '1.00')
    """
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


# Durations and moments


def duration(seconds: float) -> str:
    """Return a duration in its two largest units, from milliseconds on.

    >>> [duration(seconds) for seconds in (0.0002, 0.42, 4.2, 42, 150, 7380, 183600)]
    ['1 ms or less', '420 ms', '4.2 s', '42 s', '2 min 30 s', '2 h 03 min', '2 d 3 h']
    """
    if not math.isfinite(seconds):
        return str(seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds > 0.001 else "1 ms or less"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def seconds_in(text: str) -> float:
    """Return the seconds of a duration as people write it; a bare number is seconds.

    Raises:
        ValueError: it is none.

    >>> [seconds_in(text) for text in ("30s", "1.5 m", "2h", "45")]
    [30.0, 90.0, 7200.0, 45.0]
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if found is None:
        raise ValueError(f'{text} is not a duration; write it as "30s", "10m" or "2h"')
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def round_duration(seconds: float) -> str:
    """Return a duration that is round, such as a tick of an axis, without units that are zero.

    >>> [round_duration(seconds) for seconds in (0.01, 1, 60, 3600, 90)]
    ['10 ms', '1 s', '1 min', '1 h', '1 min 30 s']
    """
    return duration(seconds).replace(".0 ", " ").removesuffix(" 00 s").removesuffix(" 00 min").removesuffix(" 0 h")


def duration_spread(spread: Spread | None) -> str:
    """Return a duration's mean and standard deviation in the unit that suits the mean.

    >>> duration_spread(Spread(2, 2400.0, 30.0)), duration_spread(Spread(1, 42.0, None))
    ('40.0 ± 0.5 min', '42.0 s')
    >>> duration_spread(Spread(2, 0.0123, 0.001))
    '12 ± 1 ms'
    """
    if spread is None:
        return NOTHING
    name, size, digits = next((unit[1:] for unit in _TIMES if spread.mean < unit[0]), _TIMES[-1][1:])
    return f"{decimals_spread(_divided(spread, size), digits)} {name}"


def rough(seconds: float) -> str:
    """Return a guessed duration, with no more figures than a guess has.

    >>> [rough(seconds) for seconds in (3.3, 42, 150, 7380)]
    ['3 s', '42 s', '3 min', '2 h 03 min']
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = max(2, int(seconds / 60 + 0.5))
    return f"{minutes} min" if minutes < 60 else duration(60 * minutes)


def clock(seconds: float) -> str:
    """Return a running time as a clock shows it.

    >>> [clock(seconds) for seconds in (7, 65, 3661)]
    ['0:07', '1:05', '1:01:01']
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(seconds: float) -> str:
    """Return Unix seconds as date and time in UTC.

    >>> moment(0)
    '1970-01-01 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def iso_moment(text: str) -> str:
    """Return a time in ISO 8601 and UTC, as the ledger has it, without its zone.

    >>> iso_moment("2026-11-21T05:00:00+00:00")
    '2026-11-21 05:00:00'
    """
    return text.replace("T", " ").removesuffix("+00:00")[:19]


def iso_second(text: str) -> int | None:
    """Return the Unix second in which a time in ISO 8601 lies; None for what is no time.

    The ledger cuts off fractions, so its times are compared by their seconds alone.

    >>> iso_second("1970-01-01T00:01:00.9+00:00"), iso_second("")
    (60, None)
    """
    try:
        return math.floor(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return None


# Sizes and energy


def size(bytes_: float) -> str:
    """Return a number of bytes with three figures, in powers of ten.

    >>> [size(number) for number in (512, 15_500_000, 153_600_000, 2.5e9)]
    ['512 B', '15.5 MB', '154 MB', '2.50 GB']
    """
    return size_spread(Spread(1, bytes_, None))


def size_spread(spread: Spread | None) -> str:
    """Return a number of bytes with its standard deviation, in powers of ten.

    >>> size_spread(Spread(1, 1748713472.0, None)), size_spread(Spread(2, 15_500_000.0, 400_000.0))
    ('1.75 GB', '15.5 ± 0.4 MB')
    """
    if spread is None or not math.isfinite(spread.mean):
        return NOTHING
    unit, name = _unit(spread.mean, _SIZES)
    digits = _decimals(spread.mean / unit) if name else 0
    return f"{decimals_spread(_divided(spread, unit), digits)} {name or 'B'}"


def energy(joules: float) -> str:
    """Return energy in joules, or in watt hours from 36 kJ on.

    >>> energy(512.0), energy(7.2e6)
    ('512 J', '2000 Wh')
    """
    return f"{joules:.3g} J" if joules < 36_000 else f"{joules / 3600:.4g} Wh"


# Metrics


def metric_name(metric: str) -> str:
    """Return what a metric is called in a sentence.

    >>> metric_name("val/macro_f1"), metric_name("time/train_seconds")
    ('validation macro-F1', 'train time')
    """
    return metric_of(metric).words


def metric_heading(metric: str) -> str:
    """Return the heading of a column whose values are written without their unit.

    >>> metric_heading("val/accuracy"), metric_heading("test/loss"), metric_heading("test/balanced_accuracy")
    ('val. top-1 %', 'test loss', 'test balanced accuracy %')
    """
    row = metric_of(metric)
    name = row.words.replace("validation", "val.")
    name = name.replace("accuracy", "top-1") if row.name.startswith("accuracy") else name
    return f"{name} %" if row.kind == "share" else name


def metric_text(metric: str, value: float | None, *, unit: bool = True) -> str:
    """Return a metric's value; shares lose their percent sign without `unit`.

    >>> metric_text("test/accuracy", 0.9125), metric_text("test/accuracy", 0.9125, unit=False)
    ('91.25 %', '91.25')
    >>> [metric_text("val/loss", 0.31234), metric_text("model/parameters", 288746), metric_text("best_epoch", 3)]
    ['0.3123', '288,746', '3']
    """
    if value is None or not math.isfinite(value):
        return NOTHING if value is None else str(value)
    if metric_of(metric).kind == "seconds":
        return duration(value)
    return metric_spread(metric, Spread(1, value, None), unit=unit)


def metric_spread(metric: str, spread: Spread | None, *, unit: bool = True) -> str:
    """Return a metric's mean and standard deviation; shares lose their percent sign without `unit`.

    >>> metric_spread("test/accuracy", Spread(3, 0.9, 0.0012)), metric_spread("memory/peak_bytes", Spread(1, 2e9, None))
    ('90.00 ± 0.12 %', '2.00 GB')
    """
    if spread is None:
        return NOTHING
    row = metric_of(metric)
    match row.kind:
        case "share":
            text = percent_spread(spread) + (" %" if unit else "")
        case "seconds":
            text = duration_spread(spread)
        case "rate":
            text = rate_spread(spread)
        case "bytes":
            text = size_spread(spread)
        case "loss":
            text = decimals_spread(spread, row.digits)
        case "joules":
            text = energy(spread.mean) + _plus_minus(spread, energy)
        case "operations":
            text = scaled(spread.mean) + _plus_minus(spread, scaled)
        case "count" | "epoch":
            text = whole(spread.mean) + _plus_minus(spread, whole)
        case _:
            text = f"{spread.mean:.{row.digits}g}" + _plus_minus(spread, lambda value: f"{value:.{row.digits}g}")
    return text


def metric_difference(metric: str, difference: float, *, unit: bool = True) -> str:
    """Return a difference of two values of a metric, with its sign; in points for shares.

    >>> metric_difference("val/accuracy", 0.0123), metric_difference("val/accuracy", 0.0123, unit=False)
    ('+1.23 points', '+1.23')
    >>> metric_difference("val/loss", -0.2), metric_difference("time/train_seconds", 61)
    ('-0.2000', '+1 min 01 s')
    """
    if metric_of(metric).kind == "share":
        return points(difference) + (" points" if unit else "")
    return f"{'-' if difference < 0 else '+'}{metric_text(metric, abs(difference))}"


def metric_change(metric: str, a: float | None, b: float | None) -> str:
    """Return B less A of shares and losses, B as a multiple of A of amounts; empty where there is nothing to tell.

    >>> metric_change("test/accuracy", 0.91, 0.92), metric_change("model/flops", 2e6, 3e6)
    ('+1.00', 'x 1.50')
    """
    if a is None or b is None or a == b or not (math.isfinite(a) and math.isfinite(b)):
        return ""
    kind = metric_of(metric).kind
    if kind in {"share", "loss"}:
        return metric_difference(metric, b - a, unit=False)
    return f"x {b / a:.2f}" if a > 0 and kind not in {"epoch", "number"} else ""


# Settings


def labels(paths: Sequence[str], columns: Sequence[Sequence[JsonValue]]) -> list[list[str]]:
    """Return how each value of each path is told from the others, the path by its shortest name.

    >>> labels(["recipe.label_smoothing", "recipe.augment"], [[0.0, 0.1], [["flip"], [{"name": "flip", "p": 0.1}]]])
    [['label_smoothing=0.0', 'label_smoothing=0.1'], ['augment=flip', 'augment=flip(p=0.1)']]
    """
    names = short_names(paths)
    return [[f"{name}={text}" for text in _told_apart(column)] for name, column in zip(names, columns, strict=True)]


def short_names(paths: Sequence[str]) -> list[str]:
    """Return for each path its shortest end that no other path has.

    >>> short_names(["recipe.label_smoothing", "recipe.optimizer.name", "recipe.optimizer.lr"])
    ['label_smoothing', 'optimizer', 'lr']
    """
    cut = [path.removesuffix(".name") for path in paths]
    kept = [path if cut.count(short) > 1 else short for path, short in zip(paths, cut, strict=True)]
    return [_shortest(path, [other for other in kept if other != path]) for path in kept]


def value_text(value: JsonValue, full: bool = False) -> str:
    """Return a setting's value as text; components by name, with their options where `full`.

    >>> value_text([{"name": "crop", "pad": 4}, {"name": "flip"}])
    'crop+flip'
    """
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case list():
            return "+".join(value_text(item, full) for item in value) or "none"
        case {"name": str(name), **options}:
            return name + (_bracketed(options) if full and options else "")
        case dict():
            return _bracketed(value)
    return printable(str(value))


def _shortest(path: str, others: Sequence[str]) -> str:
    parts = path.split(".")
    ends = [".".join(parts[-count:]) for count in range(1, len(parts))]
    return next((end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others)), path)


def _bracketed(options: Mapping[Any, Any]) -> str:
    return f"({','.join(f'{name}={value_text(value, True)}' for name, value in options.items())})"


def _told_apart(column: Sequence[JsonValue]) -> list[str]:
    """Return each value as text: short, or in full where another value has the same short text."""
    texts = [value_text(value) for value in column]
    alike: dict[str, list[JsonValue]] = {}
    for value, text in zip(column, texts, strict=True):
        others = alike.setdefault(text, [])
        others += [] if value in others else [value]
    return [
        value_text(value, True) if len(alike[text]) > 1 else text for value, text in zip(column, texts, strict=True)
    ]


def _unit(number: float, units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """Return the largest unit that a number reaches when rounded, 1 and no name below all of them."""
    return next(((size, name) for size, name in units if number >= 0.9995 * size), (1.0, ""))


def _decimals(number: float) -> int:
    """Return how many decimals give three figures to a number below 1000."""
    return 2 if number < 9.995 else 1 if number < 99.95 else 0


def _divided(spread: Spread, size: float) -> Spread:
    return Spread(spread.count, spread.mean / size, None if spread.deviation is None else spread.deviation / size)


def _rounded(number: float, digits: int) -> str:
    """Return a number rounded to so many decimals, to tens or hundreds where `digits` is negative."""
    return f"{round(number, digits):,.{max(0, digits)}f}"


def _plus_minus(spread: Spread, text: Callable[[float], str]) -> str:
    return "" if spread.deviation is None else f" ± {text(spread.deviation)}"
