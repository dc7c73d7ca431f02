"""Studies whose true accuracies are known, to see how often intervals hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.measure.bootstrap import difference_intervals, draw_shares, resample
from harness.measure.crossed import (
    Answers,
    Components,
    Errors,
    components,
    critical,
    errors_of_differences,
    errors_of_means,
    p_values,
)
from harness.measure.paired import holm, share_interval

SHARED, OWN, CHANCE = 0.48, 0.12, 0.40
"""Variances of an image's difficulty: for all models, for one model, and for one fit alone; they sum to 1."""


@dataclass(frozen=True)
class Design:
    """Models of known mean accuracy; `sd` is how far seeds move each one's true accuracy, a share."""

    accuracies: tuple[float, ...]
    seeds: tuple[int, ...]
    images: int
    sd: tuple[float, ...]
    groups: int = 0
    """Images lie in so many groups of equal size; three quarters of their difficulty are their group's."""
    watched: tuple[int, ...] = ()
    """The models that are counted, and pairs with them; all where none is named."""
    of_fits: bool = False
    """Whether a model with one seed is taken for that fit, whose true accuracy is the truth then."""

    @property
    def pairs(self) -> NDArray[np.int64]:
        """All pairs of models, int [P, 2]."""
        return np.stack(np.triu_indices(len(self.accuracies), 1), axis=1)


def alike(models: int, seeds: int, images: int = 2000, sd: float = 0.009, accuracy: float = 0.9) -> Design:
    """Return a design of equal recipes."""
    return Design((accuracy,) * models, (seeds,) * models, images, (sd,) * models)


@dataclass(frozen=True)
class Coverage:
    """Shares of intervals that hold the truth: of accuracies, of differences, of plain percentile bootstraps."""

    means: float
    differences: float
    plain: float
    rejected: float
    """Share of watched pairs with p < 0.05 without correction."""
    any_rejected: float
    """Share of studies with any false "told apart" by Holm's corrected p, of pairs whose true difference is 0."""


@dataclass(frozen=True)
class Drawn:
    """A study: answers, the true accuracy of each model (of its fit where that is asked), and groups."""

    answers: list[Answers]
    truth: NDArray[np.float64]
    groups: NDArray[np.int64] | None


def draw(design: Design, random: np.random.Generator) -> Drawn:
    """Draw a study: an image is right where ability beats difficulty, all normal, so that the truth is exact."""
    groups, clustered = None, 0.0
    if design.groups:
        groups = np.arange(design.images) % design.groups
        clustered = 0.75
    shared = _difficulty(SHARED, clustered, groups, design.images, random)
    answers, truth = [], []
    for accuracy, seeds, sd in zip(design.accuracies, design.seeds, design.sd, strict=True):
        level = np.clip(accuracy + sd * random.normal(size=(seeds, 1)), 0.001, 0.999)
        own = _difficulty(OWN, clustered, groups, design.images, random)
        chance = random.normal(0, np.sqrt(CHANCE), (seeds, design.images))
        answers.append(Answers(tuple(range(seeds)), special.ndtri(level) + shared + own + chance > 0))
        truth.append(float(level[0, 0]) if design.of_fits and seeds == 1 else accuracy)
    return Drawn(answers, np.array(truth), groups)


def _difficulty(
    variance: float, clustered: float, groups: NDArray[np.int64] | None, images: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Return each image's difficulty [n], a part of which is that of its group."""
    single = random.normal(0, np.sqrt(variance * (1 - clustered)), images)
    if groups is None:
        return np.asarray(single)
    return np.asarray(single + random.normal(0, np.sqrt(variance * clustered), groups.max() + 1)[groups])


def coverage_of(design: Design, studies: int, draws: int = 600, seed: int = 0, *, use_groups: bool = True) -> Coverage:
    """Simulate studies and count; all studies use the same draws of images, which are independent of them."""
    random = np.random.default_rng(seed)
    units = design.groups if use_groups and design.groups else design.images
    shares = list(draw_shares(units, seed, draws))
    rounds = [_round(design, draw(design, random), shares, number, use_groups) for number in range(studies)]
    return Coverage(*np.mean(rounds, axis=0))


def _round(
    design: Design, drawn: Drawn, shares: list[NDArray[np.float32]], number: int, use_groups: bool
) -> tuple[float, ...]:
    answers, groups = drawn.answers, drawn.groups if use_groups else None
    found, pairs = components(answers, groups), design.pairs
    watched = design.watched or tuple(range(len(answers)))
    every = p_values(*_tested(found, pairs))
    counted = np.isin(pairs, watched).any(axis=1)
    any_rejected = ((holm(every) < 0.05) & (drawn.truth[pairs[:, 0]] == drawn.truth[pairs[:, 1]]) & counted).any()
    pairs, p = pairs[counted], every[counted]
    true = drawn.truth[pairs[:, 0]] - drawn.truth[pairs[:, 1]]
    errors = errors_of_differences(found, pairs)
    low, high = difference_intervals(pairs, found, errors, resample(answers, found, shares, groups, number)).T
    plain = [_plain(answers[a], answers[b], shares, number, t) for (a, b), t in zip(pairs, true, strict=True)]
    return (
        _hold_means(answers, drawn.truth, watched, groups),
        float(((low <= true) & (true <= high)).mean()),
        float(np.mean(plain)),
        float((p < 0.05).mean()),
        float(any_rejected),
    )


def _tested(found: Components, pairs: NDArray[np.int64]) -> tuple[NDArray[np.float64], Errors]:
    """Return differences [P] and their errors."""
    return found.accuracies[pairs[:, 0]] - found.accuracies[pairs[:, 1]], errors_of_differences(found, pairs)


def _hold_means(
    answers: list[Answers], truth: NDArray[np.float64], watched: Sequence[int], groups: NDArray[np.int64] | None
) -> float:
    found = components(answers, groups)
    errors = errors_of_means(found)
    ends = [
        share_interval(mean, error, found.units, far)
        for mean, error, far in zip(found.accuracies, errors.standard, critical(errors, 0.05), strict=True)
    ]
    return float(np.mean([ends[place][0] <= truth[place] <= ends[place][1] for place in watched]))


def _plain(first: Answers, second: Answers, shares: list[NDArray[np.float32]], number: int, true: float) -> bool:
    """Return whether percentiles of seeds and images drawn again, and nothing else, hold the truth."""
    if first.seeds != second.seeds or len(shares[0]) != first.right.shape[1]:
        return False
    by_seed = first.right.astype(np.float32) - second.right
    moved = np.concatenate([by_seed @ each for each in shares], axis=1)
    seeds = np.concatenate(list(draw_shares(len(first.seeds), number, moved.shape[1])), axis=1)
    low, high = np.quantile((moved * seeds).sum(axis=0), (0.025, 0.975))
    return bool(low <= true <= high)
