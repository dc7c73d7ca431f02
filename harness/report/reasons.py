"""What the headline table's intervals, tiers and dashes mean: said once below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from harness.contracts.metrics import FLOPS, IMAGES_PER_SECOND, PEAK_BYTES, TEST_ECE
from harness.report.significance import Verdicts, method
from harness.report.variants import Variant

MOST_NAMED: Final = 6
LACKING: Final = (
    (TEST_ECE, "test loss and ECE", "scores that are no probabilities"),
    (FLOPS, "FLOPs", "counted of networks only"),
    (IMAGES_PER_SECOND, "images/s", "fitted without epochs"),
    (PEAK_BYTES, "peak memory", "fitted before it could be measured"),
)


def gaps_explained(variants: Sequence[Variant], known: Verdicts) -> Iterator[str]:
    """Return what a reader needs to read the intervals and tiers, and why figures of finished variants are missing."""
    if known.sets:
        yield from _about_intervals(variants)
        yield from _about_tiers(known)
    for metric, what, reason in LACKING:
        done = [each for each in variants if each.finished and (metric != TEST_ECE or each.values("test/accuracy"))]
        lacking = [each.name for each in done if not each.values(metric)]
        if lacking and len(lacking) < len(variants):
            yield f"no {what} of {_listed(lacking)}: {reason}"


def _about_intervals(variants: Sequence[Variant]) -> Iterator[str]:
    counts = {len(each.values("test/accuracy")) for each in variants} - {0}
    if counts == {1}:
        yield "intervals: for new test images; with one seed they say nothing of what another seed would give"
        return
    single = "; of a variant with one seed for new images only" if 1 in counts else ""
    yield f"intervals: for new test images and new seeds{single}"


def _about_tiers(known: Verdicts) -> Iterator[str]:
    for each in known.sets:
        if len(each.variants) > 1:
            where = f" on {each.dataset}" if len(known.sets) > 1 else ""
            yield f"tiers{where}: no two of a tier can be told apart; by {method(each)}"
    for reason, names in known.left_out.items():
        yield f"no tier for {_listed(names)}: {reason}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
