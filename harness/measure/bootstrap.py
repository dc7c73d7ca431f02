"""The paired hierarchical bootstrap: seeds and images drawn again with replacement, images the same for all models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from harness.measure.crossed import critical, of_differences, sums_by_group

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
    """How far what seeds add moves a difference, in standard errors: [B]."""
    odd: NDArray[np.float64]
    """What one further image on which two models differ moves their difference by, [B]."""


def resample(
    answers: Sequence[Answers],
    found: Components,
    shares: Iterable[NDArray[np.float32]],
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Resamples:
    """Draw seeds and images again. Deterministic for the same arguments.

    Images are drawn once for all models and all their seeds, since all answered the same (the pigeonhole bootstrap
    for crossed factors, Owen 2007, Annals of Applied Statistics 1); where their groups are known whole groups are
    drawn (Davison and Hinkley 1997, section 3.8). Seeds are drawn from a normal distribution, since two or three of a
    model's own make none.

    Args:
        answers: What each model had right.
        found: Their components, with the same groups.
        shares: By `draw_shares` for as many units as `found` has.
        groups: Each image's group as a number from 0, [n].
        seed: Of what is drawn here.
    """
    by_image = np.stack([each.right.mean(axis=0, dtype=np.float32) for each in answers])
    sums = sums_by_group(by_image, groups).astype(np.float32)
    sizes = None if groups is None else np.bincount(groups).astype(np.float32)
    drawn = ((sums @ each, 1 if sizes is None else sizes @ each) for each in shares)
    images = np.concatenate([total / size for total, size in drawn], axis=1).astype(np.float64)
    random, draws = np.random.default_rng((seed, 1)), images.shape[1]
    return Resamples(
        images=images - found.accuracies[:, None],
        seeds=np.asarray(random.standard_normal(draws)),
        odd=np.subtract(*random.poisson(0.5, (2, draws))) / found.count,
    )


def draw_shares(count: int, seed: int = 0, draws: int = DRAWS) -> Iterator[NDArray[np.float32]]:
    """Draw `count` units with replacement, `draws` times; yield how often each came, over `count`: [count, <= 250]."""
    random = np.random.default_rng(seed)
    for start in range(0, draws, CHUNK):
        width = min(CHUNK, draws - start)
        shares = np.empty((width, count), dtype=np.float32)
        for draw in shares:
            draw[:] = np.bincount(random.integers(count, size=count), minlength=count)
        yield shares.T / np.float32(count)


def difference_intervals(
    pairs: NDArray[np.int64], found: Components, errors: Errors, drawn: Resamples, most: float = 1.0
) -> NDArray[np.float64]:
    """Return the ends of the 95 % intervals of accuracy a minus accuracy b, [P, 2], for `pairs` (a, b) int [P, 2].

    Of any other figure that is a mean over images alike; `most` is how far apart two of its values can be.

    Percentiles of the draws (Efron and Tibshirani 1993, chapter 13), stretched from the normal's quantile to that of
    `errors`, those of `errors_of_differences`, because a spread over seeds is itself uncertain (the expanded percentile
    interval of Hesterberg 2015, The American Statistician 69). Noise, which moves the draws of images and of seeds,
    counts once. Plain percentiles of a hierarchical bootstrap are off in both directions with few seeds:
    `benchmarks/coverage.py` shows by how much. Not BCa: means over hundreds of images are neither biased nor skewed
    enough to gain from it, and it is not defined for two levels.
    """
    middle = found.accuracies[pairs[:, 0]] - found.accuracies[pairs[:, 1]]
    plain = of_differences(found.images, pairs)
    kept = np.sqrt(np.divide(errors.images, plain + 1 / found.count**2))
    by_seeds = np.sqrt(errors.seeds.sum(axis=0))
    stretch = critical(errors, 2 * ENDS[0]) / -special.ndtri(ENDS[0])
    limits = np.empty((len(pairs), 2))
    for part in (slice(start, start + CHUNK) for start in range(0, len(pairs), CHUNK)):
        first, second = pairs[part].T
        moves = kept[part, None] * (drawn.images[first] - drawn.images[second] + drawn.odd)
        moves += by_seeds[part, None] * drawn.seeds
        limits[part] = np.quantile(moves, ENDS, axis=1).T
    return np.asarray(np.clip(middle[:, None] + limits * stretch[:, None], -most, most), dtype=np.float64)
