"""Studies whose true accuracies are known, to see how often intervals hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.measure.bootstrap import difference_intervals, draw_shares, resample
from harness.measure.crossed import (
    Answers,
    components,
    critical,
    errors_of_differences,
    errors_of_means,
    p_values,
    seed_spread,
)
from harness.measure.paired import share_interval

SHARED, OWN, CHANCE = 0.48, 0.12, 0.40
"""Variances of an image's difficulty: for all models, for one model, and for one fit alone; they sum to 1."""


@dataclass(frozen=True)
class Design:
    """Models of known accuracy; `seed_shift` is a standard deviation on the scale where difficulty has 1."""

    accuracies: tuple[float, ...]
    seeds: tuple[int, ...]
    images: int
    seed_shift: float


@dataclass(frozen=True)
class Coverage:
    """Shares of intervals that hold the truth: of accuracies, of differences, of plain percentile bootstraps."""

    means: float
    differences: float
    plain: float
    rejected: float
    """Share of pairs with p < 0.05."""


def answers_of(design: Design, random: np.random.Generator) -> list[Answers]:
    """Draw a study: an image is right where ability beats difficulty, all normal, so that the truth is exact."""
    shared = random.normal(0, np.sqrt(SHARED), design.images)
    drawn = []
    for accuracy, seeds in zip(design.accuracies, design.seeds, strict=True):
        ability = stats.norm.ppf(accuracy) * np.sqrt(1 + design.seed_shift**2)
        level = ability + random.normal(0, design.seed_shift, (seeds, 1))
        own = random.normal(0, np.sqrt(OWN), design.images)
        chance = random.normal(0, np.sqrt(CHANCE), (seeds, design.images))
        drawn.append(Answers(tuple(range(seeds)), level + shared + own + chance > 0))
    return drawn


def coverage_of(design: Design, studies: int, draws: int = 600, seed: int = 0) -> Coverage:
    """Simulate studies and count; all studies use the same draws of images, which are independent of them."""
    random = np.random.default_rng(seed)
    shares = list(draw_shares(design.images, seed, draws))
    rounds = [_round(answers_of(design, random), design.accuracies, shares, number) for number in range(studies)]
    return Coverage(*np.mean(rounds, axis=0))


def _round(
    answers: list[Answers], truth: Sequence[float], shares: list[NDArray[np.float32]], number: int
) -> tuple[float, float, float, float]:
    found = components(answers)
    spread = seed_spread(found)
    pairs = np.stack(np.triu_indices(len(answers), 1), axis=1)
    true = np.array(truth)[pairs[:, 0]] - np.array(truth)[pairs[:, 1]]
    errors = errors_of_differences(found, spread, pairs)
    low, high = difference_intervals(pairs, found, errors, resample(answers, found, shares, number)).T
    p = p_values(found.accuracies[pairs[:, 0]] - found.accuracies[pairs[:, 1]], errors)
    plain = np.mean([_plain(answers[a], answers[b], shares, number, t) for (a, b), t in zip(pairs, true, strict=True)])
    means = _hold_means(answers, truth)
    return means, float(((low <= true) & (true <= high)).mean()), float(plain), float((p < 0.05).mean())


def _hold_means(answers: list[Answers], truth: Sequence[float]) -> float:
    found = components(answers)
    errors = errors_of_means(found, seed_spread(found))
    figures = zip(found.accuracies, errors.standard, critical(errors, 0.05), truth, strict=True)
    ends = [(share_interval(mean, error, found.count, far), true) for mean, error, far, true in figures]
    return float(np.mean([low <= true <= high for (low, high), true in ends]))


def _plain(first: Answers, second: Answers, shares: list[NDArray[np.float32]], number: int, true: float) -> bool:
    """Return whether percentiles of seeds and images drawn again, and nothing else, hold the truth."""
    if first.seeds != second.seeds:
        return False
    by_seed = first.right.astype(np.float32) - second.right
    moved = np.concatenate([by_seed @ each for each in shares], axis=1)
    seeds = np.concatenate(list(draw_shares(len(first.seeds), number, moved.shape[1])), axis=1)
    low, high = np.quantile((moved * seeds).sum(axis=0), (0.025, 0.975))
    return bool(low <= true <= high)
