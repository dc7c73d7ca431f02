from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harness.measure.diagnosis import RULE, Diagnosis, Fit, Known, Verdict, diagnose, shortfall, slope_of, window

EPOCHS = 40
KNOWN = Known(chance=0.1, best=0.9, images=5000)
History = list[dict[str, float]]


def history(
    train: NDArray[np.float64], validation: NDArray[np.float64], loss: NDArray[np.float64] | None = None
) -> History:
    """Return epochs with these accuracies [epochs]; losses fall as accuracies rise unless validation's is given."""
    val_loss = 2.5 * (1 - validation) if loss is None else loss
    rows = zip(train, validation, val_loss, strict=True)
    return [
        {
            "train/accuracy": float(t),
            "val/accuracy": float(v),
            "train/loss": 2.5 * (1 - float(t)),
            "val/loss": float(each),
        }
        for t, v, each in rows
    ]


def rising_to(level: float, epochs: int = EPOCHS, pace: float = 5.0) -> NDArray[np.float64]:
    """Return an accuracy that rises from 10 % and levels off."""
    return level - (level - 0.1) * np.exp(-np.arange(epochs) / pace)


def noise(seed: int, size: float = 0.004, epochs: int = EPOCHS) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, size, epochs)


def diagnosed(*histories: History, known: Known = KNOWN, plain: float | None = None) -> Diagnosis:
    return diagnose([Fit(each, plain, each[-1].get("val/accuracy")) for each in histories], known)


def verdict(*histories: History, known: Known = KNOWN, plain: float | None = None) -> Verdict:
    return diagnosed(*histories, known=known, plain=plain).verdict


@pytest.mark.parametrize("seed", range(8))
def test_a_flat_end_with_a_small_gap_is_healthy_whatever_the_noise(seed: int) -> None:
    assert verdict(history(rising_to(0.94) + noise(seed, 0.001), rising_to(0.9) + noise(seed + 50))) == "healthy"


@pytest.mark.parametrize("seed", range(8))
def test_a_gap_of_ten_points_is_overfitting(seed: int) -> None:
    found = diagnosed(history(rising_to(0.99), rising_to(0.85) + noise(seed)))
    assert found.verdict == "overfitting"
    assert found.evidence.gap == pytest.approx(0.14, abs=0.01)


def test_a_small_gap_is_overfitting_only_with_a_loss_that_turned_up() -> None:
    train, validation = rising_to(0.95), rising_to(0.9)
    turned = np.concatenate([np.linspace(2, 0.4, 20), np.linspace(0.4, 0.6, 20)])
    found = diagnosed(history(train, validation, turned))
    assert found.verdict == "overfitting"
    assert found.evidence.loss_rise == pytest.approx(0.45, abs=0.05)
    assert found.evidence.lowest_epoch is not None
    assert abs(found.evidence.lowest_epoch - 20) <= 1
    assert verdict(history(train, validation)) == "healthy"


def test_a_gap_that_few_validation_images_leave_open_is_no_overfitting() -> None:
    turned = np.concatenate([np.linspace(2, 0.4, 20), np.linspace(0.4, 0.6, 20)])
    curves = history(rising_to(0.95), rising_to(0.9), turned)
    assert verdict(curves, known=Known(chance=0.1, best=0.9, images=100)) == "past its best"


def test_a_loss_that_turned_up_is_past_its_best_unless_the_best_epoch_is_kept() -> None:
    turned = np.concatenate([np.linspace(2, 0.4, 20), np.linspace(0.4, 0.49, 20)])
    curves = history(rising_to(0.91), rising_to(0.9), turned)
    assert verdict(curves) == "past its best"
    assert verdict(curves, known=Known(chance=0.1, best=0.9, images=5000, keeps_best=True)) == "healthy"


@pytest.mark.parametrize("seed", range(4))
def test_validation_that_falls_at_the_end_is_past_its_best(seed: int) -> None:
    validation = rising_to(0.9)
    validation[-8:] -= np.linspace(0, 0.04, 8)
    found = diagnosed(history(validation + 0.02, validation + noise(seed, 0.001), np.full(EPOCHS, 0.5)))
    assert (found.verdict, found.evidence.trend) == ("past its best", "falling")


def test_a_fall_that_few_validation_images_leave_open_is_none() -> None:
    validation = rising_to(0.9)
    validation[-8:] -= np.linspace(0, 0.01, 8)
    found = diagnosed(
        history(validation, validation, np.full(EPOCHS, 0.5)), known=Known(chance=0.1, best=0.9, images=400)
    )
    assert found.evidence.slope is not None
    assert (found.verdict, found.evidence.slope.course, found.evidence.trend) == ("healthy", "falling", "flat")


@pytest.mark.parametrize("seed", range(8))
def test_a_rising_end_is_still_improving(seed: int) -> None:
    validation = np.linspace(0.4, 0.8, EPOCHS) + noise(seed)
    found = diagnosed(history(validation + 0.02, validation))
    assert found.verdict == "still improving"
    assert found.evidence.slope is not None
    assert found.evidence.slope.rise == pytest.approx(0.4 / (EPOCHS - 1), abs=0.003)


def test_a_rise_too_small_to_wait_for_is_not_still_improving() -> None:
    validation = np.linspace(0.88, 0.888, EPOCHS)
    assert verdict(history(validation + 0.02, validation)) == "healthy"


def test_a_rise_within_its_uncertainty_is_not_still_improving() -> None:
    validation = np.full(EPOCHS, 0.88)
    validation[-8:] += [0, 0.03, -0.02, 0.03, -0.03, 0.04, -0.01, 0.02]
    assert verdict(history(validation + 0.02, validation)) == "healthy"


def test_far_below_what_another_model_reaches_is_underfitting() -> None:
    low = rising_to(0.7)
    assert verdict(history(low + 0.01, low)) == "underfitting"
    assert verdict(history(low + 0.01, low), known=Known(chance=0.1, best=0.72, images=5000)) == "healthy"


def test_strong_augmentation_that_presses_training_below_validation_is_no_underfitting() -> None:
    assert verdict(history(rising_to(0.6), rising_to(0.895))) == "healthy"


def test_accuracy_on_plain_training_images_counts_where_it_was_measured() -> None:
    mixed = history(rising_to(0.6), rising_to(0.85))
    found = diagnosed(mixed, plain=0.999)
    assert (found.verdict, found.evidence.is_plain) == ("overfitting", True)


def test_a_model_that_only_guesses_is_underfitting_even_alone() -> None:
    guessing = np.full(EPOCHS, 0.1) + noise(0, 0.002)
    assert verdict(history(guessing, guessing), known=Known(chance=0.1, images=5000)) == "underfitting"


def test_accuracy_that_falls_back_to_guessing_is_diverged() -> None:
    train = rising_to(0.9)
    train[25:] = 0.1
    assert verdict(history(train, train)) == "diverged"


def test_one_diverged_seed_of_three_is_told() -> None:
    good, bad = history(rising_to(0.92), rising_to(0.9)), history(rising_to(0.92), rising_to(0.9))
    bad[20]["train/loss"] = math.nan
    found = diagnosed(good, bad, good)
    assert (found.verdict, found.evidence.broken) == ("diverged", 1)


def test_a_loss_that_ends_far_above_its_beginning_is_diverged() -> None:
    curves = history(np.full(EPOCHS, 0.11), np.full(EPOCHS, 0.11))
    for epoch, row in enumerate(curves):
        row["train/loss"] = 2.3 + epoch
    assert verdict(curves) == "diverged"


def test_cells_that_failed_of_a_loss_that_is_not_finite_are_diverged() -> None:
    assert diagnose([], Known(broken=2)).verdict == "diverged"


def test_a_dip_of_validation_alone_is_not_diverged() -> None:
    validation = rising_to(0.9)
    validation[-1] = 0.3
    assert verdict(history(rising_to(0.93), validation)) != "diverged"


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_few_epochs_are_too_short_to_say(epochs: int) -> None:
    assert verdict(history(rising_to(0.9, epochs), rising_to(0.5, epochs))) == "too short to say"


def test_a_fit_on_train_and_validation_has_no_validation_to_judge_by() -> None:
    alone = [{"train/loss": 1.0, "train/accuracy": 0.5}] * EPOCHS
    assert verdict(alone) == "no validation"


def test_a_model_without_epochs_is_judged_by_its_gap() -> None:
    found = diagnose([Fit((), plain=0.88, final=0.54)], KNOWN)
    assert found.verdict == "overfitting"
    assert found.evidence.gap == pytest.approx(0.34)
    assert diagnose([Fit((), plain=0.62, final=0.6)], KNOWN).verdict == "underfitting"
    assert diagnose([Fit((), plain=0.93, final=0.88)], KNOWN).verdict == "no curve"
    assert diagnose([Fit((), plain=None, final=0.5)], KNOWN).verdict == "no curve"


def test_a_test_accuracy_far_below_validations_is_told_where_chance_does_not_explain_it() -> None:
    found = shortfall(0.98, 0.93, 432, 360)
    assert found.size == pytest.approx(0.05)
    expected = 1.96 * math.sqrt(0.98 * 0.02 / 432 + 0.93 * 0.07 / 360)
    assert found.half_width == pytest.approx(expected)
    assert found.is_clear
    assert not shortfall(0.98, 0.93, 40, 36).is_clear
    assert not shortfall(0.93, 0.925, 10**6, 10**6).is_clear
    assert not shortfall(0.93, 0.98, 432, 360).is_clear


def test_the_slope_of_one_seed_is_the_one_of_a_least_squares_line() -> None:
    line = rising_to(0.9) + noise(3)
    found = slope_of([line])
    assert found is not None
    expected = stats.linregress(np.arange(found.epochs), line[-found.epochs :])
    assert found.rise == pytest.approx(expected.slope, rel=1e-10)
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, found.epochs - 2) * expected.stderr, rel=1e-10)


def test_the_slope_of_several_seeds_is_the_one_of_parallel_lines() -> None:
    lines = [rising_to(level) + noise(seed) for seed, level in enumerate((0.9, 0.8, 0.85))]
    found = slope_of(lines)
    assert found is not None
    width = found.epochs
    time = np.tile(np.arange(width), 3)
    design = np.column_stack([np.repeat(np.eye(3), width, axis=0), time])
    response = np.concatenate([line[-width:] for line in lines])
    solution, residual, *_ = np.linalg.lstsq(design, response, rcond=None)
    freedom = 3 * width - 4
    error = math.sqrt(residual[0] / freedom * np.linalg.inv(design.T @ design)[3, 3])
    assert found.rise == pytest.approx(solution[3], rel=1e-9)
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, freedom) * error, rel=1e-9)


def test_flat_noise_is_called_rising_about_as_often_as_the_interval_says() -> None:
    random = np.random.default_rng(0)
    found = [slope_of([random.normal(0, 1, EPOCHS)]) for _ in range(2000)]
    share = np.mean([each is not None and each.course == "rising" for each in found])
    assert 0.015 < share < 0.035


def test_the_window_is_a_fifth_of_the_epochs_within_bounds() -> None:
    assert [window(epochs) for epochs in (5, 20, 25, 50, 1000)] == [4, 4, 5, 10, 10]


def test_every_verdict_of_a_curve_is_explained() -> None:
    assert [name for name, _ in RULE] == [
        "diverged",
        "too short to say",
        "no better than guessing",
        "overfitting",
        "still improving",
        "underfitting",
        "past its best",
        "healthy",
    ]
