"""What a reader should know before any table: is it a real run, who is ahead, and how sure that is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from harness.report.gather import Findings
from harness.report.numbers import amount, percent, percent_spread, points
from harness.report.results import TEST, VALIDATION, baseline_of, ranked
from harness.report.spread import Spread
from harness.report.variants import Variant

UNTESTED = (
    "Whether these differences are more than chance is not assessed in this version: no significance test was made."
)


def warning(findings: Findings) -> str:
    """Return why the figures are for testing only, empty where they are not."""
    reasons = [*_limits(findings)]
    if findings.is_smoke:
        reasons.append("smoke run of a few batches a cell, test sets not opened")
    if findings.plan.partial:
        reasons.append("--only left a part of the matrix file out")
    return f"For testing only: {'; '.join(reasons)}." if reasons else ""


def gaps(findings: Findings) -> str:
    """Return what is not there yet, empty where all cells are finished."""
    states = Counter(entry.state for entry in findings.entries)
    lacking = [f"{states[state]} {state}" for state in ("failed", "missing", "running", "stale") if states[state]]
    return f"Of {amount(len(findings.entries), 'cell')}: {', '.join(lacking)}." if lacking else ""


def headline(variants: Sequence[Variant], baseline: str | None) -> tuple[str, ...]:
    """Return the result in sentences, the most important first."""
    tested = [variant for variant in ranked(variants) if _has(variant, TEST)]
    if not tested:
        return _without_test(variants)
    sentences = [_winner(tested), _choice(tested), _against(tested[0], baseline_of(variants, baseline))]
    return (*(sentence for sentence in sentences if sentence), UNTESTED)


def _winner(tested: Sequence[Variant]) -> str:
    first = tested[0]
    text = f"{first.name} has the highest mean test accuracy, {_with_seeds(first.spread(TEST))}"
    if len(tested) == 1:
        return f"{first.name} is the only experiment with a test accuracy: {_with_seeds(first.spread(TEST))}."
    ahead = _mean(first, TEST) - _mean(tested[1], TEST)
    second = tested[1]
    if ahead == 0:
        return f"{text}, level with {second.name}."
    text = f"{text}, {points(ahead).lstrip('+')} points ahead of {second.name} ({percent(_mean(second, TEST))} %)"
    return f"{text}; {_closeness(ahead, first.spread(TEST), second.spread(TEST))}."


def _closeness(ahead: float, first: Spread | None, second: Spread | None) -> str:
    deviations = [spread.deviation for spread in (first, second) if spread and spread.deviation is not None]
    if len(deviations) < 2:
        return "with a single seed nothing says how much of that is luck"
    if ahead <= max(deviations):
        return "that is less than seeds alone make, so it is no ranking"
    return "that is more than the standard deviation over seeds of either"


def _choice(tested: Sequence[Variant]) -> str:
    """Say whether validation, which may choose, would have chosen the same."""
    if len(tested) == 1 or not all(_has(variant, VALIDATION) for variant in tested):
        return ""
    chosen = max(tested, key=lambda variant: _mean(variant, VALIDATION))
    if chosen is tested[0]:
        return "Validation accuracy, which alone may choose, puts it first as well."
    return (
        f"Validation accuracy, which alone may choose, puts {chosen.name} first instead "
        f"(test {percent(_mean(chosen, TEST))} %): the best of {len(tested)} test figures flatters its experiment."
    )


def _against(first: Variant, baseline: Variant | None) -> str:
    if baseline is None or first is baseline or not _has(baseline, TEST):
        return ""
    gain = points(_mean(first, TEST) - _mean(baseline, TEST)).lstrip("+")
    reached = percent_spread(baseline.spread(TEST))
    return f"The baseline {baseline.name} reaches {reached} %: {first.name} gains {gain} points."


def _without_test(variants: Sequence[Variant]) -> tuple[str, ...]:
    validated = [variant for variant in variants if _has(variant, VALIDATION)]
    if not validated:
        return ("No cell has finished yet, so there is nothing to compare.",)
    best = max(validated, key=lambda variant: _mean(variant, VALIDATION))
    text = f"{best.name} has the highest mean validation accuracy, {_with_seeds(best.spread(VALIDATION))}."
    return ("No test set was opened, so this says nothing about test accuracy.", text, UNTESTED)


def _with_seeds(spread: Spread | None) -> str:
    if spread is None:
        return ""
    if spread.deviation is None:
        return f"{percent(spread.mean)} % with one seed"
    return f"{percent_spread(spread)} % (mean ± standard deviation over {spread.count} seeds)"


def _limits(findings: Findings) -> list[str]:
    limits = {entry.planned.cell.dataset.limit for entry in findings.entries}
    texts = []
    for limit in sorted(filter(None, limits), key=repr):
        parts = [f"{count:,} {split}" for split, count in (("training", limit.train), ("test", limit.test)) if count]
        texts.append(f"data limited to {' and '.join(parts)} images" if parts else "")
    return [text for text in texts if text]


def _has(variant: Variant, metric: str) -> bool:
    return math.isfinite(_mean(variant, metric))


def _mean(variant: Variant, metric: str) -> float:
    spread = variant.spread(metric)
    return math.nan if spread is None else spread.mean
