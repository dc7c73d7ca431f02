"""One dimension of a search by itself: a range or choices, as written."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

from harness.contracts import Choices, Range
from harness.spec.checking import check
from harness.spec.nodes import Fields, Node, Problems, plain, shown


def dimension(node: Node, problems: Problems) -> Range | Choices | None:
    """Return a dimension as written, or None with its problems noted."""
    if not isinstance(node, Fields):
        problems.at(node, f"{shown(plain(node))} is neither {{low: ..., high: ...}} nor {{choices: [...]}}")
        return None
    if "choices" in node.fields:
        return _choices(node, problems)
    written = check(Range, node, problems)
    wrong = "" if written is None else wrong_range(written)
    if wrong:
        problems.at(node, wrong)
    return written


def _choices(node: Fields, problems: Problems) -> Choices | None:
    written = check(Choices, node, problems)
    if written is not None and len(written.choices) < 2:
        problems.at(node.fields["choices"], "holds fewer than two choices: there is nothing to search")
    return written


def wrong_range(written: Range) -> str:
    """Return what is wrong with a range, or nothing."""
    low, high, step = written.low, written.high, written.step
    numbers = [each for each in (low, high, step) if each is not None]
    if not all(isfinite(each) for each in (*numbers, high - low)):
        return "low, high and step must be finite, and not further apart than numbers go"
    wrong = (
        (low >= high, f"low {low:g} is not below high {high:g}"),
        (written.log and low <= 0, f"a logarithmic scale needs a positive low, not {low:g}"),
        (written.log and step is not None, "log and step do not go together"),
        ((step or 0) > high - low, "the step is wider than the range"),
        (written.int and any(each != int(each) for each in numbers), "int: true needs whole numbers"),
    )
    return next((text for is_wrong, text in wrong if is_wrong), "") or _off_grid(low, high, step)


def _off_grid(low: float, high: float, step: float | None) -> str:
    """Return what is wrong with a high that no number of steps reaches, in decimals as they are written."""
    if step is None:
        return ""
    start, end, width = (Decimal(repr(each)) for each in (low, high, step))
    rest = (end - start) % width
    if not rest:
        return ""
    return f"no number of steps of {step:g} leads from low {low:g} to high {high:g}; {float(end - rest):g} would do"


def points(written: Range | Choices) -> int | None:
    """Return how many values a dimension has, or None where it has any number of them."""
    if isinstance(written, Choices):
        return len(written.choices)
    step = written.step or (1 if written.int else None)
    return None if step is None else 1 + round((written.high - written.low) / step)
