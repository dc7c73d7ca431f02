"""How sure a mean over seeds and images is: variance components of models that answered the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Answers:
    """Whether a model was right on each image: bool [S, n], rows in the order of `seeds`.

    Floats [S, n] do as well, for another figure that is a mean over images.
    """

    seeds: tuple[int, ...]
    right: NDArray[np.bool_] | NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Components:
    """Variances and covariances of V models' mean accuracies over S seeds and n images.

    Seeds and images are crossed random effects: all seeds answered the same images. A model with one seed is taken
    as that one fitted model, without a seed's variance.
    """

    accuracies: NDArray[np.float64]
    """Means over seeds and images, [V]."""
    images: NDArray[np.float64]
    """What images add, noise included: [V, V]."""
    noise: NDArray[np.float64]
    """What seed and image together add beyond each alone, [V, V]; 0 between models with other seeds."""
    seeds: NDArray[np.float64]
    """What seeds add, noise included, as each model's own S accuracies tell it: [V]."""
    seed_sets: tuple[tuple[int, ...], ...]
    count: int
    """Number of images, n."""

    @property
    def seed_df(self) -> NDArray[np.float64]:
        """S - 1, [V]."""
        return np.array([len(each) - 1 for each in self.seed_sets], dtype=np.float64)


def components(answers: Sequence[Answers]) -> Components:
    """Return the components of models that answered the same n >= 2 images, in the same order."""
    by_image = np.stack([each.right.mean(axis=0) for each in answers])
    accuracies, count = by_image.mean(axis=1), by_image.shape[1]
    centered = by_image - accuracies[:, None]
    noise = np.zeros((len(answers), len(answers)))
    for seeds, members in groupby(
        sorted(range(len(answers)), key=lambda i: answers[i].seeds), lambda i: answers[i].seeds
    ):
        places = list(members)
        if len(seeds) > 1:
            noise[np.ix_(places, places)] = _noise([answers[place].right for place in places])
    return Components(
        accuracies=accuracies,
        images=centered @ centered.T / (count - 1) / count,
        noise=noise,
        seeds=np.array([_own_seed_variance(each.right) for each in answers]),
        seed_sets=tuple(each.seeds for each in answers),
        count=count,
    )


def apart(each: Sequence[Components]) -> Components:
    """Return the components of single models as one, as if nothing were known of how they move together."""
    return Components(
        accuracies=np.concatenate([one.accuracies for one in each]),
        images=np.diag([one.images[0, 0] for one in each]),
        noise=np.diag([one.noise[0, 0] for one in each]),
        seeds=np.concatenate([one.seeds for one in each]),
        seed_sets=tuple(one.seed_sets[0] for one in each),
        count=each[0].count,
    )


def of_differences(covariance: NDArray[np.float64], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the variances of differences a minus b, [P], from a covariance [V, V] and `pairs` (a, b) int [P, 2]."""
    first, second = pairs.T
    found = covariance[first, first] + covariance[second, second] - 2 * covariance[first, second]
    return np.asarray(np.maximum(found, 0), dtype=np.float64)


def _own_seed_variance(right: NDArray[np.bool_] | NDArray[np.floating]) -> float:
    seeds = len(right)
    return float(right.mean(axis=1).var(ddof=1)) / seeds if seeds > 1 else 0.0


def _noise(right: Sequence[NDArray[np.bool_] | NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return the noise among models with the same S > 1 seeds, [v, v]: the mean products of the residuals."""
    values = np.stack(right).astype(np.float32)
    models, seeds, images = values.shape
    by_seed = values.mean(axis=2, keepdims=True, dtype=np.float64)
    shifts = (by_seed - by_seed.mean(axis=1, keepdims=True)).astype(np.float32)
    residuals = (values - values.mean(axis=1, keepdims=True) - shifts).reshape(models, -1)
    freedom = float(seeds - 1) * float(images - 1)
    products: NDArray[np.float64] = np.asarray(residuals @ residuals.T, dtype=np.float64)
    return np.asarray(products / (freedom * seeds * images), dtype=np.float64)
