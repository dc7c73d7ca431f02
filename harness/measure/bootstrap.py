"""The paired hierarchical bootstrap: seeds and images drawn again with replacement, images the same for all models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from harness.measure.crossed import critical, of_differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from harness.measure.crossed import Answers, Components, Errors

DRAWS: Final = 5000
CHUNK: Final = 250
ENDS: Final = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Resamples:
    """What B draws do; one column is one draw, the same for all models."""

    images: NDArray[np.float64]
    """How far each model's accuracy moves when images are drawn again, [V, B]."""
    seeds: NDArray[np.float64]
    """How far each model's moves when its seeds are, in standard errors: [V, B], one row for the same seeds."""
    odd: NDArray[np.float64]
    """What one further image on which two models differ moves their difference by, [B]."""


def resample(
    answers: Sequence[Answers], found: Components, shares: Iterable[NDArray[np.float32]], seed: int = 0
) -> Resamples:
    """Draw seeds and images again; `shares` are images by `draw_shares`. Deterministic for the same arguments.

    Images are drawn once for all models and all their seeds, since all answered the same (the pigeonhole bootstrap
    for crossed factors, Owen 2007, Annals of Applied Statistics 1). Seeds are drawn from all models' deviations from
    their means, brought to one scale, since two or three of a model's own make no distribution (the bootstrap of
    residuals for grouped data, Davison and Hinkley 1997, sections 3.2 and 3.8); models with the same seeds
    move together.
    """
    by_image = np.stack([each.right.mean(axis=0, dtype=np.float32) for each in answers])
    images = np.concatenate([by_image @ each for each in shares], axis=1).astype(np.float64)
    random, draws = np.random.default_rng((seed, 1)), images.shape[1]
    pool = _deviations(answers, found)
    by_set = {seeds: _seed_moves(random, pool, len(seeds), draws) for seeds in dict.fromkeys(found.seed_sets)}
    return Resamples(
        images=images - found.accuracies[:, None],
        seeds=np.stack([by_set[seeds] for seeds in found.seed_sets]),
        odd=np.subtract(*random.poisson(0.5, (2, draws))) / found.count,
    )


def draw_shares(count: int, seed: int = 0, draws: int = DRAWS) -> Iterator[NDArray[np.float32]]:
    """Draw `count` images with replacement, `draws` times; yield how often each came, over `count`: [count, <= 250]."""
    random = np.random.default_rng(seed)
    for start in range(0, draws, CHUNK):
        width = min(CHUNK, draws - start)
        shares = np.empty((width, count), dtype=np.float32)
        for draw in shares:
            draw[:] = np.bincount(random.integers(count, size=count), minlength=count)
        yield shares.T / np.float32(count)


def difference_intervals(
    pairs: NDArray[np.int64], found: Components, errors: Errors, drawn: Resamples
) -> NDArray[np.float64]:
    """Return the ends of the 95 % intervals of accuracy a minus accuracy b, [P, 2], for `pairs` (a, b) int [P, 2].

    Percentiles of the draws (Efron and Tibshirani 1993, chapter 13), stretched from the normal's quantile to that of
    `errors`, those of `errors_of_differences`, because a spread over seeds is itself uncertain (the expanded percentile
    interval of Hesterberg 2015, The American Statistician 69). Noise, which moves the draws of images and of seeds,
    counts once. Plain percentiles of a hierarchical bootstrap are off in both directions with few seeds:
    `benchmarks/coverage.py` shows by how much. Not BCa: means over hundreds of images are neither biased nor skewed
    enough to gain from it, and it is not defined for two levels.
    """
    middle = found.accuracies[pairs[:, 0]] - found.accuracies[pairs[:, 1]]
    plain = of_differences(found.images, pairs)
    kept = np.divide(errors.images, plain + 1 / found.count**2)
    stretch = critical(errors, 2 * ENDS[0]) / -special.ndtri(ENDS[0])
    chunks = [slice(start, start + CHUNK) for start in range(0, len(pairs), CHUNK)]
    moves = (_moves(pairs[each], np.sqrt(errors.seeds[:, each]), np.sqrt(kept[each]), found, drawn) for each in chunks)
    limits = np.concatenate([np.quantile(each, ENDS, axis=1).T for each in moves] or [np.empty((0, 2))])
    return np.asarray(np.clip(middle[:, None] + limits * stretch[:, None], -1, 1), dtype=np.float64)


def _moves(
    pairs: NDArray[np.int64],
    seeds: NDArray[np.float64],
    images: NDArray[np.float64],
    found: Components,
    drawn: Resamples,
) -> NDArray[np.float64]:
    """Return each draw's move of each difference, [P, B]; `seeds` [2, P] and `images` [P] are scales."""
    first, second = pairs.T
    moves = images[:, None] * (drawn.images[first] - drawn.images[second] + drawn.odd)
    paired = np.array([found.seed_sets[a] == found.seed_sets[b] for a, b in pairs.tolist()])
    one = np.where(paired, np.hypot(*seeds), seeds[0])
    other = np.where(paired, 0, seeds[1])
    moves += one[:, None] * drawn.seeds[first] - other[:, None] * drawn.seeds[second]
    return np.asarray(moves, dtype=np.float64)


def _deviations(answers: Sequence[Answers], found: Components) -> NDArray[np.float64]:
    """Return all models' deviations of a seed's accuracy from the mean, both signs, with a mean square of 1."""
    noise = np.diag(found.noise)
    parts = [
        (each.right.mean(axis=1) - mean) / np.sqrt(own * (len(each.seeds) - 1))
        for each, mean, own in zip(answers, found.accuracies, noise, strict=True)
        if own > 0
    ]
    pool = np.concatenate([*parts, *(-part for part in parts)]) if parts else np.zeros(1)
    size = np.sqrt(np.mean(pool**2))
    return np.asarray(pool / size if size > 0 else pool, dtype=np.float64)


def _seed_moves(random: np.random.Generator, pool: NDArray[np.float64], seeds: int, draws: int) -> NDArray[np.float64]:
    return np.asarray(random.choice(pool, (seeds, draws)).sum(axis=0) / np.sqrt(seeds), dtype=np.float64)
