"""Which images are held out for validation, or for a test split where there is none, and which are left by a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts import Validation
from harness.errors import DataError
from harness.seeds import seed_for
from harness.words import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_FRACTION: Final = 0.1
"""Share of the images that is held out where `validation` names groups alone."""
_EXACT_GROUPS: Final = 2000
_TRIES: Final = 20


def held_out(
    labels: NDArray[np.int64], classes: tuple[str, ...], validation: Validation, groups: NDArray[np.str_] | None
) -> NDArray[np.int64]:
    """Return the positions [M] of the validation images, ascending, by labels [N]; the same for the same seed.

    Without groups the split is stratified and of exactly the wanted size. With groups whole groups
    are held out, as near the wanted size as their sizes allow.

    Raises:
        DataError: there are too few images, in all or of a class, or too few groups.
    """
    if validation.split is not None:
        raise DataError("validation.split: the validation split is the data set's own, so none is carved")
    wanted = size_of(validation, len(labels))
    random = np.random.default_rng(seed_for(validation.seed, "split"))
    if groups is not None:
        wants_all = validation.groups is None  # with those of an earlier version the first draw stands, as it did
        return _hold_groups(labels, classes, groups, wanted, random, wants_all=wants_all)
    _check_size(labels, classes, wanted)
    return np.sort(stratified(labels, len(classes), wanted, random))


def carved_test(
    labels: NDArray[np.int64], classes: int, fraction: float, groups: NDArray[np.str_] | None
) -> NDArray[np.int64]:
    """Return the positions [M] of the test images, ascending, of a set that comes in one part, by labels [N].

    Always the same ones: of each class in proportion, or whole groups, and then, if groups allow, with all classes.

    Raises:
        DataError: a class has a single image, or groups are too few or leave a class without a training image.
    """
    wanted = max(1, round(len(labels) * fraction))
    random = np.random.default_rng(seed_for(0, "test"))
    names = tuple(map(str, range(classes)))
    if groups is not None:
        return _hold_groups(labels, names, groups, wanted, random, wants_all=True)
    counts = np.bincount(labels, minlength=classes)
    if counts.min(initial=2) < 2:
        raise DataError(f"test_fraction: {(counts < 2).sum():,} classes have a single image; it takes two to divide")
    return np.sort(stratified(labels, classes, max(wanted, classes), random))


def stratified(labels: NDArray[np.int64], classes: int, wanted: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return [wanted] positions of labels [N] in class order, each class in proportion (largest remainders).

    A class with two images or more gets at least one and keeps at least one, as far as `wanted` allows.
    """
    counts = np.bincount(labels, minlength=classes)
    shares = _shares(counts, wanted)
    drawn = [random.permutation(np.flatnonzero(labels == label))[:share] for label, share in enumerate(shares)]
    return np.concatenate(drawn).astype(np.int64)


def size_of(validation: Validation, total: int) -> int:
    """Return how many of so many training images are to be held out; whole groups come only near it."""
    if validation.size is not None:
        return validation.size
    fraction = DEFAULT_FRACTION if validation.fraction is None else validation.fraction
    return max(1, round(total * fraction))


def _check_size(labels: NDArray[np.int64], classes: tuple[str, ...], wanted: int) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    single = [f"{name}: {count} image" for name, count in zip(classes, counts, strict=True) if count < 2]
    if single:
        raise DataError(f"classes too small to be on both sides of the validation split:\n{listed(single)}")
    least, most = len(classes), len(labels) - len(classes)
    if not least <= wanted <= most:
        raise DataError(
            f"validation wants {wanted:,} of {len(labels):,} training images; with {len(classes)} classes, each on "
            f"both sides, it can be {least:,} to {most:,}"
        )


def _shares(counts: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """Apportion `wanted` by largest remainder, then move single images to classes that got none."""
    exact = counts * (wanted / counts.sum())
    shares: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - shares), kind="stable")
    shares[order[: wanted - shares.sum()]] += 1
    for label in np.flatnonzero((shares == 0) & (counts > 1)).tolist():
        donor = int(np.argmax(shares))
        if shares[donor] > 1:
            shares[[donor, label]] += (-1, 1)
    for label in np.flatnonzero((shares == counts) & (counts > 1)).tolist():
        taker = int(np.argmax(counts - shares))
        if counts[taker] - shares[taker] > 1:
            shares[[taker, label]] += (1, -1)
    return shares


def _hold_groups(
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    groups: NDArray[np.str_],
    wanted: int,
    random: np.random.Generator,
    *,
    wants_all: bool = False,
) -> NDArray[np.int64]:
    """Hold whole groups out that leave an image of each class; `wants_all` prefers those that have all classes too."""
    names, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise DataError(f"groups: {len(names)} group; holding one out needs at least 2")
    if not 0 < wanted < len(labels):
        raise DataError(f"{wanted:,} of {len(labels):,} images cannot be held out")
    lost: list[str] = []
    best: tuple[int, NDArray[np.bool_]] | None = None
    for _ in range(_TRIES):
        held = np.isin(member, _choose_groups(sizes, wanted, random))
        left = np.bincount(labels[~held], minlength=len(classes))
        lost = [classes[label] for label in np.flatnonzero(left == 0)] or lost
        if left.min() == 0:
            continue
        absent = len(classes) - len(np.unique(labels[held])) if wants_all else 0
        best = min(best or (absent, held), (absent, held), key=lambda each: each[0])
        if best[0] == 0:
            break
    if best is not None:
        return np.flatnonzero(best[1]).astype(np.int64)
    raise DataError(f"groups: holding whole groups out leaves no training image of\n{listed(lost)}")


def _choose_groups(sizes: NDArray[np.int64], wanted: int, random: np.random.Generator) -> list[int]:
    """Return groups, at least one and not all, whose sizes add up as near to `wanted` as can be.

    Among equally near choices the drawn order decides. Past the first many groups, which are taken
    while they fit, the sum is found exactly: bit s of `reached[i]` says that some of the first i
    groups have s images together.
    """
    order = random.permutation(len(sizes))
    chosen: list[int] = []
    for group in order[: max(0, len(order) - _EXACT_GROUPS)]:
        if sizes[group] <= wanted - sizes[chosen].sum():
            chosen.append(int(group))
    rest = [int(group) for group in order[-_EXACT_GROUPS:]]
    return chosen + _subset(sizes, rest, wanted - int(sizes[chosen].sum()), allow_none=bool(chosen))


def _subset(sizes: NDArray[np.int64], groups: list[int], wanted: int, allow_none: bool) -> list[int]:
    reached = [1]
    for group in groups:
        reached.append(reached[-1] | reached[-1] << int(sizes[group]))
    everything = int(sizes[groups].sum())
    sums = sorted(range(everything), key=lambda total: abs(total - wanted))
    total = next(each for each in sums if reached[-1] >> each & 1 and (each or allow_none))
    chosen: list[int] = []
    for step in range(len(groups) - 1, -1, -1):
        if not reached[step] >> total & 1:
            total -= int(sizes[groups[step]])
            chosen.append(groups[step])
    return chosen
