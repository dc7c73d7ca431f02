"""The first screen: who leads, how sure that is, what fails the audit, what to try next."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from harness.contracts.metrics import TEST_BALANCED, TRAIN_SECONDS
from harness.measure.diagnosis import Verdict
from harness.report.blocks import Block, Fact, Facts, Items, Section, Text
from harness.report.context import Context
from harness.report.predictions import ImageSet
from harness.report.sections import test_sets
from harness.report.sections.diagnosis import Diagnosed, all_diagnosed
from harness.report.sections.openings import audit_faults, looked
from harness.report.sections.remedies import FURTHER
from harness.report.sections.results import baseline_of
from harness.report.significance import (
    NOTHING_KNOWN,
    Significance,
    Verdicts,
    interval_points,
    method_in_brief,
    needs,
)
from harness.report.store import Findings
from harness.report.variants import (
    BY_ACCURACY,
    TEST,
    VALIDATION,
    Ranking,
    Variant,
    dataset_name,
    mean_or_least,
    ranked,
)
from harness.words import (
    Spread,
    amount,
    duration,
    few,
    metric_difference,
    metric_name,
    metric_spread,
    metric_text,
    percent,
)

MAJORITY: Final = 0.5
"""From this share of one class on always saying it is a floor that accuracy must be held against."""
UNEVEN: Final = 1.5
"""How many times the share of evenly spread classes the commonest class has where classes are not even."""
FAR: Final = 0.05
"""How far the mean over classes is below accuracy where that flatters."""
UNTESTED: Final = "Whether these differences are more than chance was not tested"
MOST_NAMED: Final = 3
GUESSING: Final[Verdict] = "no better than guessing"
CURABLE: Final[frozenset[Verdict]] = frozenset(
    {"still improving", "underfitting", "overfitting", "diverged", "too short to say"}
)
MORE_SEEDS: Final = "seeds: [0, 1, 2], because one seed cannot show what another would give"


def section(context: Context) -> Section:
    """Return what a reader should know before any table."""
    findings, known = context.findings, context.verdicts
    lacking, faults = gaps(findings), audit_faults(context)
    diagnosed = context.once(all_diagnosed)
    lead, *rest = headline(context.variants, findings.plan.report.baseline, known, diagnosed, context.ranking)
    steps = next_steps(context.variants, diagnosed, known)
    others = context.once(looked)
    blocks: list[Block] = [Text(lacking, "bad")] if lacking else []
    if faults:
        blocks.append(Items(faults, "bad", lead="What harness audit would fail:"))
    blocks += [Text(lead, "lead"), *([Text(" ".join(rest), "muted")] if rest else [])]
    flatters = flattery(context)
    blocks += [Text(flatters, "bad")] if flatters else []
    lost = test_sets.told(context)
    blocks += [Text(lost)] if lost else []
    blocks += [others] if others is not None else []
    if findings.beyond:
        kept = few(findings.beyond)
        blocks.append(Text(f"The store holds runs of this study that its file does not name: {kept}.", "muted"))
    blocks += [Text(steps, lead="To try next:")] if steps else []
    return Section("top", "", (*blocks, Facts(glance(findings), as_tiles=True)))


def glance(findings: Findings) -> tuple[Fact, ...]:
    """Return the study in figures."""
    tiles = {
        "data": ", ".join(dict.fromkeys(map(dataset_name, findings.plan.datasets))),
        "cells finished": f"{len(findings.finished)} of {len(findings.entries)}",
        "seeds a variant": _seed_counts(findings),
        "test openings": str(len(findings.openings)) + (f", {len(findings.looks)} not shown" if findings.looks else ""),
        "time of fitting": duration(train_seconds(findings)),
    }
    searched = sum(trial.seconds for each in findings.tuned for trial in each.tuning.trials)
    if findings.tuned:
        trials = sum(len(each.tuning.trials) for each in findings.tuned)
        tiles |= {"time of fitting in searches": f"{duration(searched)}, {amount(trials, 'trial')}"}
    return tuple(Fact(name, text) for name, text in tiles.items())


def train_seconds(findings: Findings) -> float:
    """Return how long fitting the cells took in all, as if one after the other; not those of searches."""
    return sum(entry.metric(TRAIN_SECONDS) or 0.0 for entry in findings.finished)


def _seed_counts(findings: Findings) -> str:
    """Return how many seeds variants have, the smallest and the largest number."""
    seeds: dict[tuple[str, str], set[int]] = {}
    for entry in findings.entries:
        for place in entry.planned.places:
            seeds.setdefault((place.experiment, place.label), set()).add(entry.seed)
    counts = sorted({len(each) for each in seeds.values()})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


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


def headline(
    variants: Sequence[Variant],
    baseline: str | None,
    known: Verdicts = NOTHING_KNOWN,
    diagnosed: Sequence[Diagnosed] = (),
    by: Ranking = BY_ACCURACY,
) -> tuple[str, ...]:
    """Return the result in sentences, the most important first; `by` says what ranks.

    Where the variant that validation puts first has test and validation contradict each other, nothing is ranked; where
    the leading one's are apart beyond chance, that comes first.
    """
    tested = [variant for variant in ranked(variants, by) if _has(variant, by.test)]
    names = {variant.name for variant in variants}
    mine = [each for each in diagnosed if each.variant.name in names]
    guessing = _guessing(mine)
    if not tested:
        return (*guessing, *_without_test(variants, by))
    if refused := _contradiction(mine):
        return (*refused, *guessing, *(_method(each) for each in known.sets if len(each.variants) > 1))
    apart = _disagreeing(mine)
    ranking = _ranking(tested, baseline_of(variants, baseline), known, by)
    leads = bool(apart) and any(each.disagreement and each.variant.name == tested[0].name for each in mine)
    if leads:
        return (*guessing, *apart, *ranking)
    return (*guessing, *ranking[:1], *apart, *ranking[1:])


def _ranking(tested: Sequence[Variant], baseline: Variant | None, known: Verdicts, by: Ranking) -> tuple[str, ...]:
    """Return who is ahead, how sure that is, and by which tests."""
    compared = [each for each in known.sets if len(each.variants) > 1]
    firsts = [_certainty(each, len(known.sets) > 1) for each in compared] or [_winner(tested, by)]
    rest = [*map(_power, compared), _choice(tested, by), _against(tested[0], baseline, by)]
    sentences = [*firsts, *rest, *(_method(each) for each in compared), _untested(tested, known)]
    return tuple(sentence for sentence in sentences if sentence)


def _guessing(diagnosed: Sequence[Diagnosed]) -> tuple[str, ...]:
    """Say that no variant is better than guessing, though some learned their training images."""
    learned = [each.variant for each in diagnosed if each.diagnosis.verdict == GUESSING]
    validated = [each for each in diagnosed if each.diagnosis.evidence.validation is not None]
    if not learned or not all(each.diagnosis.evidence.is_guessing for each in validated):
        return ()
    return (
        f"No experiment is better than guessing on validation images, though {names_of(learned)} learned the training "
        "images: look whether training labels belong to their images.",
    )


def _contradiction(diagnosed: Sequence[Diagnosed]) -> tuple[str, ...]:
    """Say that test and validation contradict each other where they do so for the first by validation or most."""
    both = [each for each in diagnosed if _has(each.variant, TEST) and _has(each.variant, VALIDATION)]
    wrong = [each for each in both if each.disagreement is not None and each.disagreement.is_contradiction]
    first = max(both, key=lambda each: mean_or_least(each.variant, VALIDATION), default=None)
    if not wrong or (first not in wrong and 2 * len(wrong) <= len(both)):
        return ()
    return (
        f"Test and validation contradict each other, far beyond chance: {_apart(wrong)}. Labels or images of one of "
        "the two are probably not what they should be, or test images are among the training images; until that is "
        "explained, no experiment is put before another here.",
    )


def _disagreeing(diagnosed: Sequence[Diagnosed]) -> tuple[str, ...]:
    """Say of whom test and validation are apart by more than chance explains."""
    found = [each for each in diagnosed if each.disagreement is not None]
    if not found:
        return ()
    return (
        f"Test and validation disagree by more than chance: {_apart(found)}. The test images are of another kind than "
        "the training images, or validation was used so often to choose that it flatters.",
    )


def _apart(diagnosed: Sequence[Diagnosed]) -> str:
    """Return what both say of a few variants, the farthest apart first."""
    found = sorted(
        ((each.variant.name, each.disagreement) for each in diagnosed if each.disagreement is not None),
        key=lambda each: -abs(each[1].validation - each[1].test),
    )
    texts = [
        f"{name} {percent(each.validation)} % on validation and {percent(each.test)} % on test "
        f"(difference {interval_points(each.low, each.high)} points)"
        for name, each in found[:MOST_NAMED]
    ]
    more = len(found) - MOST_NAMED
    return "; ".join(texts) + (f"; and {more} more" if more > 0 else "")


def _certainty(found: Significance, is_one_of_several: bool) -> str:
    """Say who is best on a set of test images and whether that is certain."""
    by = found.ranking
    first, interval = found.variants[0], found.interval(by.test, 0)
    where = f"On {found.dataset}, " if is_one_of_several else ""
    figure = _in_brief(by.test, first.spread(by.test))
    if interval is not None:
        low = metric_text(by.test, interval.low, unit=False)
        figure = f"{figure}, 95 % interval {low} to {metric_text(by.test, interval.high)}"
    alike, others = found.like_the_best(), len(found.variants) - 1
    told = ""
    if not alike:
        each = f"each of the {others} others" if others > 1 else found.variants[1].name
        if found.is_mixed and found.one_fit[0]:
            told = (
                f"{first.name} has the {by.best} {metric_name(by.test)} ({figure}): this one fit is better than {each}."
            )
        else:
            told = f"{first.name} is best{_named(by)}: it is better than {each} at the 5 % level ({figure})."
    else:
        rest = f" It is better than {_the_others(others - len(alike))}." if len(alike) < others else ""
        told = (
            f"{first.name} has the {by.best} {metric_name(by.test)} ({figure}), but it cannot be told apart from "
            f"{names_of(alike)} at the 5 % level.{rest}"
        )
    return f"{where}{told}{_of_single_fits(found)}"


def _of_single_fits(found: Significance) -> str:
    """Say of whom there is one seed where others have several; empty where all are alike in that."""
    single = [variant for variant, is_one in zip(found.variants, found.one_fit, strict=True) if is_one]
    if not found.is_mixed:
        return ""
    return (
        f" Of {names_of(single)} there is one seed: that is about {'this fit' if len(single) == 1 else 'these fits'}, "
        "and what another seed would give cannot be said."
    )


def _power(found: Significance) -> str:
    """Say what it would take to tell the best from those like it."""
    pairs = [pair for pair in found.pairs if pair.first == 0 and not pair.differs]
    if not pairs:
        return ""
    first, *rest = [f"from {found.variants[pair.second].name} takes {needs(pair)}" for pair in pairs[:MOST_NAMED]]
    others = "".join(f", {each.replace(' takes ', ' ', 1)}" for each in rest)
    unseen = max(pairs, key=lambda pair: pair.visible)
    return (
        "Not told apart is not equal: with these seeds and images a true difference of less than "
        f"{_size(found.ranking.test, unseen.visible)} from {found.variants[unseen.second].name} would often go unseen. "
        f"If the differences seen are the true ones, telling it {first}{others}."
    )


def _the_others(count: int) -> str:
    return f"the {count} others" if count > 1 else "the other one"


def names_of(variants: Sequence[Variant]) -> str:
    """Return the names of a few variants, the number of the others."""
    shown = [variant.name for variant in variants[:MOST_NAMED]]
    if len(variants) > MOST_NAMED:
        shown = [*shown[:-1], f"{len(variants) - len(shown) + 1} others"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _method(found: Significance) -> str:
    text = f"Tested by {method_in_brief(found)}"
    if all(found.one_fit):
        return f"{text} With one seed each, this is about the fitted models: another seed could turn it."
    return text


def _untested(tested: Sequence[Variant], known: Verdicts) -> str:
    """Return why nothing was tested, empty where it was."""
    if len(tested) < 2 or any(len(each.variants) > 1 for each in known.sets):
        return ""
    if known.sets:
        return f"{UNTESTED}: no two experiments answered the same test images."
    return f"{UNTESTED}: the store holds no test predictions."


def _winner(tested: Sequence[Variant], by: Ranking) -> str:
    first, figure = tested[0], metric_name(by.test)
    reached = _with_seeds(by.test, first.spread(by.test))
    text = f"{first.name} has the {by.best} mean {figure}, {reached}"
    if len(tested) == 1:
        return f"{first.name} is the only experiment with a {figure}: {reached}."
    ahead = _mean(first, by.test) - _mean(tested[1], by.test)
    second = tested[1]
    if ahead == 0:
        return f"{text}, level with {second.name}."
    return f"{text}, {_size(by.test, ahead)} ahead of {second.name} ({metric_text(by.test, _mean(second, by.test))})."


def _size(metric: str, difference: float) -> str:
    return metric_difference(metric, abs(difference)).lstrip("+")


def _named(by: Ranking) -> str:
    """Return what ranks, where that is not what one expects."""
    return "" if by == BY_ACCURACY else f" by {metric_name(by.test)}"


def _choice(tested: Sequence[Variant], by: Ranking) -> str:
    """Say whether validation, which may choose, would have chosen the same."""
    if len(tested) == 1 or not all(_has(variant, by.validation) for variant in tested):
        return ""
    chosen = max(tested, key=lambda variant: by.merit(variant, by.validation))
    name = metric_name(by.validation)
    name = f"{name[0].upper()}{name[1:]}"
    if chosen is tested[0]:
        return f"{name}, which alone may choose, puts it first as well."
    return (
        f"{name}, which alone may choose, puts {chosen.name} first instead "
        f"(test {metric_text(by.test, _mean(chosen, by.test))}): the best of {len(tested)} test figures flatters its "
        "experiment."
    )


def _against(first: Variant, baseline: Variant | None, by: Ranking) -> str:
    if baseline is None or first is baseline or not _has(baseline, by.test):
        return ""
    gain = _size(by.test, _mean(first, by.test) - _mean(baseline, by.test))
    reached = metric_spread(by.test, baseline.spread(by.test))
    return f"The baseline {baseline.name} reaches {reached}: {first.name} gains {gain}."


def _without_test(variants: Sequence[Variant], by: Ranking) -> tuple[str, ...]:
    validated = [variant for variant in variants if _has(variant, by.validation)]
    if not validated and any(each.finished for each in variants) and by != BY_ACCURACY:
        return (f"No finished cell has a {metric_name(by.test)}, which is to rank: report.metric names another.",)
    if not validated:
        return ("No cell has finished yet, so there is nothing to compare.",)
    best = max(validated, key=lambda variant: by.merit(variant, by.validation))
    reached = _with_seeds(by.validation, best.spread(by.validation))
    text = f"{best.name} has the {by.best} mean {metric_name(by.validation)}, {reached}."
    return (f"No test set was opened, so this says nothing about {metric_name(by.test)}.", text, f"{UNTESTED}.")


def _with_seeds(metric: str, spread: Spread | None) -> str:
    if spread is None:
        return ""
    if spread.deviation is None:
        return f"{metric_text(metric, spread.mean)} with one seed"
    return f"{metric_spread(metric, spread)} (mean ± standard deviation over {spread.count} seeds)"


def _in_brief(metric: str, spread: Spread | None) -> str:
    if spread is None:
        return ""
    if spread.deviation == 0:
        return f"{metric_text(metric, spread.mean)} with each of {spread.count} seeds"
    return f"{metric_spread(metric, spread)} with {'one seed' if spread.count == 1 else f'{spread.count} seeds'}"


def flattery(context: Context) -> str:
    """Say where accuracy flatters, empty where it does not: by the first by accuracy on each set of test images.

    It does where most of what lies above the majority class's share is not found, or where the mean over classes is
    far below the mean over images.
    """
    found = [told for images in context.tested if (told := _flatters(context, images))]
    return " ".join(found)


def _flatters(context: Context, images: ImageSet) -> str:
    counts = np.bincount(images.images.labels)
    share, variants = float(counts.max() / counts.sum()), [each.variant for each in images.members]
    first = max(variants, key=lambda each: BY_ACCURACY.merit(each, TEST))
    accuracy, balanced = _mean(first, TEST), images.members[variants.index(first)].figures[TEST_BALANCED].accuracies[0]
    is_within_reach = share >= MAJORITY and accuracy - share < (1 - share) / 2
    if not (is_within_reach or (share * np.count_nonzero(counts) >= UNEVEN and accuracy - balanced >= FAR)):
        return ""
    advice = "" if context.ranking != BY_ACCURACY else " report: {metric: balanced_accuracy} ranks by the latter."
    where = f" on {images.dataset}" if len(context.tested) > 1 else ""
    return (
        f"Accuracy flatters{where}: {percent(share)} % of the test images are of one class, so always saying that one "
        f"is right as often. {first.name}, the first by accuracy, has {percent(accuracy)} % of all images right and "
        f"{percent(balanced)} % as the mean over classes.{advice}"
    )


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
    """Return what would tell the best from the one like it that takes least; from all where that is not known."""
    pairs = [pair for pair in found.pairs if pair.first == 0 and not pair.differs and (pair.seeds or pair.images)]
    if not pairs:
        return f"more seeds or test images, to tell {found.variants[0].name} from {names_of(found.like_the_best())}"
    least = min(pairs, key=lambda pair: (pair.seeds or math.inf, pair.images or math.inf))
    return f"{needs(least)}, to tell {found.variants[0].name} from {found.variants[least.second].name}"


def _step(each: Diagnosed) -> str:
    way = each.to_try[0].removeprefix(FURTHER)
    return f"{each.variant.name} ({each.diagnosis.verdict}): {way}"
