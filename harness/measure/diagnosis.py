"""What learning curves say of a fit, by a stated rule: the numbers first, the verdict from the numbers alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from scipy import special

from harness.contracts.metrics import TRAIN_ACCURACY, TRAIN_LOSS, VAL_ACCURACY, VAL_LOSS
from harness.measure.paired import difference_of_shares, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray


History: TypeAlias = Sequence[Mapping[str, float]]
"""A fit: the metrics of each epoch in order, the first is epoch 1."""

Course: TypeAlias = Literal["rising", "flat", "falling"]
Verdict: TypeAlias = Literal[
    "healthy",
    "overfitting",
    "underfitting",
    "diverged",
    "still improving",
    "past its best",
    "too short to say",
    "no better than guessing",
    "no validation",
    "no curve",
]

FEWEST_EPOCHS: Final = 5
"""Fewer leave nothing to tell a trend from the first epochs' steep rise."""
WINDOW_SHARE: Final = 0.2
WINDOW: Final = (4, 10)
"""The last fifth of the epochs, 4 to 10: a line through 4 points leaves 2 degrees of freedom for its error."""
LARGE_GAP: Final = 0.10
"""Beyond this the training images are learned by heart whatever the loss does; good networks end at 3 to 8 points."""
CLEAR_GAP: Final = 0.03
"""What a network of any size has on images it has not seen; more of it counts only with a second sign."""
LOSS_RISE: Final = 0.10
"""Validation loss above its lowest by this share: three epochs' means differ by a few percent from noise alone."""
WORTH: Final = 0.005
"""Half a point within as many epochs as were looked at is worth a word, if validation can tell so little."""
TEST_SHORTFALL: Final = 0.01
"""A point between validation and test accuracy is worth a word where chance does not explain it."""
SHORTFALL: Final = 0.05
"""So far below what another model reaches on unseen images that a lack of training images is no excuse."""
SMOOTHED: Final = 3
"""Epochs that are taken together before a lowest or last value is read."""
ALPHA: Final = 0.05
KEPT: Final = 0.5
"""Test and validation contradict each other where one keeps less than half of what the other gains over guessing."""
SOMETHING_TO_LOSE: Final = 0.10
LOST: Final = 0.5
"""A fit that had gained 10 points over guessing and has lost half of that has come apart: noise does not do it."""

RULE: Final[tuple[tuple[Verdict, str], ...]] = (
    (
        "diverged",
        "A loss was not finite or ended above 1.5 times its first epoch's, or training accuracy lost "
        f"{LOST * 100:.0f} % of what it had gained over guessing.",
    ),
    ("too short to say", f"Fewer than {FEWEST_EPOCHS} epochs."),
    (
        "no better than guessing",
        "Training accuracy is above what saying the commonest class gives, validation accuracy is not, beyond what so "
        "few validation images leave open: what was learned of the training images holds for no others. Training "
        "labels that do not belong to their images look like this.",
    ),
    (
        "overfitting",
        f"Training accuracy is {LARGE_GAP * 100:.0f} points or more above validation's, or {CLEAR_GAP * 100:.0f} or "
        f"more and validation loss has turned up by {LOSS_RISE * 100:.0f} % from its lowest (means of {SMOOTHED} "
        "epochs); and the gap is more than so few validation images leave open. A model without epochs is judged by "
        f"the {LARGE_GAP * 100:.0f} points alone.",
    ),
    (
        "still improving",
        f"A line through validation accuracy over the last fifth of the epochs ({WINDOW[0]} to {WINDOW[1]}) rises "
        f"beyond its 95 % interval, and as many epochs again would gain {WORTH * 100:.1f} points, more than the "
        "standard error of so few validation images. With a learning rate that falls to zero a part of the rise is "
        "its doing, and only a longer schedule goes on with it.",
    ),
    (
        "underfitting",
        f"Neither training nor validation accuracy comes within {SHORTFALL * 100:.0f} points of the best validation "
        "accuracy in this study on the same images, or both are no better than guessing.",
    ),
    (
        "past its best",
        "Validation accuracy falls over those last epochs, beyond its 95 % interval and by as much as a rise would "
        f"count, or validation loss has turned up by {LOSS_RISE * 100:.0f} % from its lowest; and the last epoch's "
        "weights were kept.",
    ),
    ("healthy", "None of these."),
)
"""The rule in words, as the report shows it: the first that holds is the verdict."""

PREMISE: Final = (
    "Training accuracy is the kept model's on training images without augmentation where it was logged. Else it is "
    "an epoch's, of augmented or mixed images and of weights on the move: lower, so that the gap is at least what is "
    "shown; that it is below validation's is no sign of underfitting. Models that fit in one go have no curve: of them "
    "it can be told whether they overfit or underfit, no more."
)


@dataclass(frozen=True, slots=True)
class Fit:
    """One seed's fit: its epochs (empty for a model that has none), and the kept model's accuracies, shares."""

    history: History
    plain: float | None = None
    """Accuracy on training images without augmentation, where it was measured."""
    final: float | None = None
    """Accuracy on validation of the model that was kept."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the curves; accuracies are shares."""

    chance: float = 0.0
    """Accuracy of guessing."""
    commonest: float = 0.0
    """Accuracy on validation of saying its commonest class."""
    best: float | None = None
    """The best validation accuracy of any model on the same images."""
    images: int | None = None
    """How many images validation has."""
    broken: int = 0
    """Cells that failed because a loss or score was not finite."""
    keeps_best: bool = False
    """Whether the best epoch's weights are kept, so that what came after it does no harm."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Rise of validation accuracy an epoch over the last `epochs`, with the half width of its 95 % interval; shares."""

    rise: float
    half_width: float
    epochs: int

    @property
    def gain(self) -> float:
        """What as many epochs again would gain if it went on."""
        return self.rise * self.epochs

    @property
    def course(self) -> Course:
        """Its sign where that is beyond its uncertainty."""
        if abs(self.rise) <= self.half_width:
            return "flat"
        return "rising" if self.rise > 0 else "falling"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The numbers that the verdict rests on, means over seeds; None where they cannot be had."""

    epochs: int
    train: float | None
    validation: float | None
    gap: float | None
    gap_half_width: float | None
    """Half of the gap's 95 % interval: how much so few validation images leave open."""
    is_plain: bool
    """Whether training accuracy is of images without augmentation."""
    slope: Slope | None
    loss_rise: float | None
    """Validation loss at the end above its lowest, as a share of the lowest."""
    lowest_epoch: int | None
    """Where validation loss was lowest, in the mean over seeds."""
    broken: int
    """Seeds that came apart."""
    is_guessing: bool = False
    """Whether validation accuracy is no better than guessing, beyond what so few validation images leave open."""

    @property
    def trend(self) -> Course:
        """The slope's course where as many epochs again would change more than so few images leave open, else flat."""
        error = (self.gap_half_width or 0.0) / 1.96
        is_worth_it = self.slope is not None and abs(self.slope.gain) >= max(WORTH, error)
        return self.slope.course if self.slope is not None and is_worth_it else "flat"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A verdict and its evidence."""

    verdict: Verdict
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Validation accuracy minus test accuracy beyond chance, with the ends of its interval; shares."""

    validation: float
    test: float
    low: float
    high: float
    is_contradiction: bool
    """Whether one of the two keeps less than half of what the other gains over guessing."""


def disagreement(
    validation: float, test: float, images: tuple[int, int], guessing: float, comparisons: int = 1
) -> Disagreement | None:
    """Return how far the two accuracies are apart, None where chance explains it or it is less than a point.

    The images of both are independent, so that the interval is that of two shares (`difference_of_shares`), at 95 %
    for all `comparisons` together (Bonferroni). Validation may have been used to choose; that alone flatters it by a
    few points, not by half of what it gains over guessing.

    Args:
        validation: Accuracy on validation, a share.
        test: Accuracy on test.
        images: How many independent images (or groups of images) each rests on: of validation, of test.
        guessing: Accuracy of saying the commonest class.
        comparisons: How many variants are looked at.
    """
    quantile = float(-special.ndtri(ALPHA / 2 / max(1, comparisons)))
    low, high = difference_of_shares(validation, images[0], test, images[1], quantile)
    if low <= 0 <= high or abs(validation - test) < TEST_SHORTFALL:
        return None
    gains = sorted(max(0.0, each - guessing) for each in (validation, test))
    return Disagreement(validation, test, low, high, gains[0] < KEPT * gains[1])


@dataclass(frozen=True, slots=True)
class Shortfall:
    """By how much test accuracy is below validation's, with the half width of its 95 % interval; shares."""

    size: float
    half_width: float

    @property
    def is_clear(self) -> bool:
        """Whether it is more than so few images leave open, and enough to be told."""
        return self.size >= TEST_SHORTFALL and self.size > self.half_width


def shortfall(validation: float, test: float, validation_images: int, test_images: int) -> Shortfall:
    """Return how far test accuracy is below validation's, two independent shares (normal approximation)."""
    errors = _half_width(validation, validation_images), _half_width(test, test_images)
    return Shortfall(validation - test, math.hypot(*errors))


def diagnose(fits: Sequence[Fit], known: Known) -> Diagnosis:
    """Apply `RULE` to the fits of one model with several seeds."""
    evidence = evidence_of(fits, known)
    return Diagnosis(_verdict(evidence, known, has_curve=any(fit.history for fit in fits)), evidence)


def evidence_of(fits: Sequence[Fit], known: Known) -> Evidence:
    """Return the numbers that the rule looks at."""
    histories = [fit.history for fit in fits if fit.history]
    is_plain = bool(fits) and all(fit.plain is not None for fit in fits)
    train = _mean([fit.plain if is_plain else _ending(fit.history, TRAIN_ACCURACY) for fit in fits])
    # against the kept model's accuracy where both are of the kept model, else against the same epochs'
    validation = _mean(
        [fit.final if is_plain or not fit.history else _ending(fit.history, VAL_ACCURACY) for fit in fits]
    )
    gap = None if train is None or validation is None else train - validation
    rises = [rise for rise in map(_loss_rise, histories) if rise is not None]
    return Evidence(
        epochs=min(map(len, histories), default=0),
        train=train,
        validation=validation,
        gap=gap,
        gap_half_width=None if validation is None or not known.images else _half_width(validation, known.images),
        is_plain=is_plain,
        slope=slope_of([values_of(history, VAL_ACCURACY) for history in histories]),
        loss_rise=_mean([rise for rise, _ in rises]),
        lowest_epoch=round(float(np.mean([epoch for _, epoch in rises]))) if rises else None,
        broken=known.broken + sum(_has_come_apart(history, known.chance) for history in histories),
        is_guessing=validation is not None
        and bool(known.images)
        and wilson(min(validation, 1.0), known.images or 1)[0] <= max(known.chance, known.commonest),
    )


def values_of(history: History, name: str) -> NDArray[np.float64]:
    """Return a metric [epochs] by epoch; NaN where an epoch lacks it."""
    return np.array([epoch.get(name, np.nan) for epoch in history], dtype=np.float64)


def mean_of(lines: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of lines [E], a value an epoch, as far as all go; seeds that stopped early would bend it."""
    shortest = min(len(line) for line in lines)
    return np.asarray(np.mean([line[:shortest] for line in lines], axis=0), dtype=np.float64)


def best_epoch(history: History) -> int | None:
    """Return the first epoch (from 1) with the highest validation accuracy; None without validation."""
    values = values_of(history, VAL_ACCURACY)
    return int(np.nanargmax(values)) + 1 if np.isfinite(values).any() else None


def slope_of(lines: Sequence[NDArray[np.float64]]) -> Slope | None:
    """Fit parallel lines (one intercept a seed, one slope) to the last epochs of each seed [E] by least squares.

    The interval takes epochs as independent, Student's t with (points - seeds - 1) degrees of freedom. None where
    a line is too short or not finite.
    """
    if not lines or min(map(len, lines)) < FEWEST_EPOCHS:
        return None
    epochs = window(min(map(len, lines)))
    values_seen = np.array([line[-epochs:] for line in lines])
    if not np.isfinite(values_seen).all():
        return None
    time = np.arange(epochs) - (epochs - 1) / 2
    spread = len(lines) * float(time @ time)
    rise = float((values_seen @ time).sum() / spread)
    rest = values_seen - values_seen.mean(axis=1, keepdims=True) - rise * time
    freedom = values_seen.size - len(lines) - 1
    error = math.sqrt(float((rest**2).sum()) / freedom / spread)
    return Slope(rise, float(special.stdtrit(freedom, 0.975)) * error, epochs)


def window(epochs: int) -> int:
    """Return how many of the last epochs are looked at.

    >>> [window(epochs) for epochs in (5, 15, 40, 200)]
    [4, 4, 8, 10]
    """
    return int(np.clip(math.ceil(epochs * WINDOW_SHARE), *WINDOW))


def _verdict(seen: Evidence, known: Known, has_curve: bool) -> Verdict:
    is_known = has_curve or (seen.train is not None and seen.validation is not None)
    holds: dict[Verdict, bool] = {
        "diverged": seen.broken > 0,
        "no validation": has_curve and seen.validation is None,
        "too short to say": has_curve and seen.epochs < FEWEST_EPOCHS,
        "no better than guessing": _guesses(seen, known),
        "overfitting": _overfits(seen),
        "still improving": seen.trend == "rising",
        "underfitting": is_known and _underfits(seen, known),
        "no curve": not has_curve,
        "past its best": not known.keeps_best and _is_past_its_best(seen),
    }
    return next((verdict for verdict, is_so in holds.items() if is_so), "healthy")


def _guesses(seen: Evidence, known: Known) -> bool:
    guessing = max(known.chance, known.commonest)
    is_learned = (seen.train or 0.0) > guessing + _half_width(guessing, known.images or 1000)
    return seen.is_guessing and is_learned


def _overfits(seen: Evidence) -> bool:
    if seen.gap is None or seen.gap <= (seen.gap_half_width or 0.0):
        return False
    return seen.gap >= LARGE_GAP or (seen.gap >= CLEAR_GAP and _has_turned_up(seen))


def _is_past_its_best(seen: Evidence) -> bool:
    return _has_turned_up(seen) or seen.trend == "falling"


def _has_turned_up(seen: Evidence) -> bool:
    return seen.loss_rise is not None and seen.loss_rise >= LOSS_RISE


def _underfits(seen: Evidence, known: Known) -> bool:
    """Judge by the better of both accuracies: strong augmentation presses training's below validation's."""
    reached = max(seen.train or 0.0, seen.validation or 0.0)
    if reached < known.chance + _half_width(known.chance, known.images or 1000):
        return True
    return known.best is not None and reached < known.best - SHORTFALL


def _has_come_apart(history: History, chance: float) -> bool:
    loss, accuracy = values_of(history, TRAIN_LOSS), values_of(history, TRAIN_ACCURACY)
    if any(not math.isfinite(value) for epoch in history for name, value in epoch.items() if name.endswith("loss")):
        return True
    if len(loss) < FEWEST_EPOCHS:
        return False
    gained, left = float(np.max(accuracy)) - chance, float(np.median(accuracy[-SMOOTHED:])) - chance
    return bool(loss[-1] > 1.5 * loss[0] or (gained >= SOMETHING_TO_LOSE and left < (1 - LOST) * gained))


def _loss_rise(history: History) -> tuple[float, int] | None:
    """Return how far validation loss has risen from its lowest, as a share, and the epoch of the lowest."""
    loss = values_of(history, VAL_LOSS)
    if len(loss) < FEWEST_EPOCHS or not np.isfinite(loss).all():
        return None
    smooth = np.convolve(loss, np.ones(SMOOTHED) / SMOOTHED, mode="valid")
    lowest = int(smooth.argmin())
    return float(smooth[-1] / max(smooth[lowest], 1e-12) - 1), lowest + 1 + SMOOTHED // 2


def _ending(history: History, name: str) -> float | None:
    """Return the mean over the last three epochs, None where it is not recorded."""
    line = values_of(history, name)[-SMOOTHED:]
    return float(line.mean()) if len(line) and np.isfinite(line).all() else None


def _half_width(share: float, images: int) -> float:
    """Return half of the 95 % interval of a share of so many images (normal approximation)."""
    return 1.96 * math.sqrt(max(share * (1 - share), 0.0) / images)


def _mean(found: Sequence[float | None]) -> float | None:
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None
