"""What to try next, in a sentence: for the best, and for the variant that has most to gain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.measure.diagnosis import Verdict
from harness.report.headline import names_of
from harness.report.sections.diagnosis import Diagnosed
from harness.report.sections.remedies import FURTHER
from harness.report.significance import NOTHING_KNOWN, Significance, Verdicts
from harness.report.variants import VALIDATION, Variant, mean_or_least

CURABLE: Final[frozenset[Verdict]] = frozenset(
    {"still improving", "underfitting", "overfitting", "past its best", "diverged", "too short to say"}
)
MORE_SEEDS: Final = "seeds: [0, 1, 2], for with one seed nobody knows what another would give"


def next_steps(variants: Sequence[Variant], diagnosed: Sequence[Diagnosed], known: Verdicts = NOTHING_KNOWN) -> str:
    """Return what to try next, empty where nothing is known; chosen by validation accuracy, never by the test set's."""
    names = {variant.name for variant in variants}
    mine = [each for each in diagnosed if each.variant.name in names]
    order = sorted(mine, key=lambda each: -mean_or_least(each.variant, VALIDATION))
    first = [each for each in order[:1] if each.to_try]
    known_ways = {each.to_try[0] for each in first}
    curable = [each for each in order[1:] if each.diagnosis.verdict in CURABLE and {*each.to_try[:1]} - known_ways]
    steps = [_step(each) for each in (*first, *curable[:1])]
    if variants and all(len(variant.entries) == 1 for variant in variants):
        steps.append(MORE_SEEDS)
    else:
        steps += [_tie(each) for each in known.sets[:1] if each.like_the_best()]
    return f"{'; '.join(steps)}." if steps else ""


def _tie(found: Significance) -> str:
    return f"more seeds or test images, to tell {found.variants[0].name} from {names_of(found.like_the_best())}"


def _step(each: Diagnosed) -> str:
    way = each.to_try[0].removeprefix(FURTHER)
    return f"{each.variant.name} ({each.diagnosis.verdict}): {way}"
