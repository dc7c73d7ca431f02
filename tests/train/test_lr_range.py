"""The learning-rate range test against a usual fit, pandas' moving average, and losses that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from harness.contracts import LabeledImages
from harness.errors import TrainingError
from harness.train.lr_range import RangeTest, Sweep, range_test, smooth
from tests.train.conftest import AUGMENT, Diary, classifier, pictures, recipe

DATA = pictures(160)  # 10 batches of 16 an epoch
MOVING = {"schedule": {"name": "constant"}, "augment": AUGMENT, "label_smoothing": 0.1, "gradient_clip": 1.0}


def known(losses: Any, sweep: Sweep) -> RangeTest:
    """Return the test that would have had these smoothed losses."""
    values = np.asarray(losses, dtype=np.float64)
    return RangeTest(sweep, sweep.rates()[: len(values)], values, values, diverged=False)


@pytest.mark.parametrize(
    "optimizer",
    [{"name": "sgd", "lr": 0.05}, {"name": "adamw", "lr": 0.01, "decay_norms_and_biases": False}],
    ids=["sgd", "adamw with two groups"],
)
def test_at_a_constant_rate_the_losses_are_those_of_a_fits_first_epochs(optimizer: dict[str, Any]) -> None:
    chosen = recipe(epochs=2, optimizer=optimizer, **MOVING)
    diary = Diary()
    classifier(chosen).fit(DATA, None, diary)
    rate = optimizer["lr"]
    found = range_test(classifier(chosen), DATA, Sweep(rate, rate, 20))
    epochs = [metrics["train/loss"] for _, metrics in diary.epochs]
    assert found.losses.reshape(2, 10).mean(axis=1) == pytest.approx(epochs, rel=1e-6)
    assert not found.diverged


def test_what_a_fit_freezes_from_its_start_is_not_trained() -> None:
    tested = classifier(recipe(freeze=[{"parameters": "0.*", "epochs": 0}]))
    before = {name: value.tolist() for name, value in tested.network.named_parameters()}
    range_test(tested, DATA, Sweep(1e-2, 1e-1, 5))
    after = {name: value.tolist() for name, value in tested.network.named_parameters()}
    assert before["0.weight"] == after["0.weight"]
    assert before["6.weight"] != after["6.weight"]


def test_the_rate_of_the_recipe_does_not_matter_only_that_of_the_sweep() -> None:
    tests = [
        range_test(classifier(recipe(optimizer={"name": "sgd", "lr": lr})), DATA, Sweep(1e-3, 1e-1, 12))
        for lr in (0.5, 0.005)
    ]
    assert tests[0].losses == pytest.approx(tests[1].losses, rel=1e-5)


def test_rates_rise_by_the_same_factor_at_each_step() -> None:
    rates = Sweep(1e-7, 10.0, 100).rates()
    assert (rates[0], rates[-1], len(rates)) == (pytest.approx(1e-7), pytest.approx(10.0), 100)
    assert rates[1:] / rates[:-1] == pytest.approx(1e8 ** (1 / 99))


def test_the_same_seed_gives_the_same_losses_and_another_seed_others() -> None:
    sweep = Sweep(1e-4, 1e-1, 15)
    torch.manual_seed(1)
    first = range_test(classifier(recipe(**MOVING)), DATA, sweep)
    torch.manual_seed(2)
    again = range_test(classifier(recipe(**MOVING)), DATA, sweep)
    other = range_test(classifier(recipe(**MOVING), seed=1), DATA, sweep)
    assert np.array_equal(first.losses, again.losses)
    assert not np.allclose(first.losses, other.losses)


def test_it_ends_where_the_loss_diverges() -> None:
    found = range_test(classifier(recipe()), DATA, Sweep(1e-3, 1e6, 90))
    assert found.diverged
    assert len(found.losses) < 90
    assert np.isfinite(found.losses).all()
    assert found.smoothed.max() <= 4 * found.smoothed.min()


def test_the_smoothed_loss_is_pandas_exponentially_weighted_mean() -> None:
    losses = np.random.default_rng(0).normal(2.0, 0.5, 50)
    reference = pd.Series(losses).ewm(alpha=0.1, adjust=True).mean().to_numpy()
    assert smooth(losses, kept=0.9) == pytest.approx(reference, rel=1e-12)


def test_the_suggestions_of_a_known_curve_are_where_it_falls_fastest_and_a_tenth_of_its_least() -> None:
    sweep = Sweep(1e-7, 10.0, 161)
    decades = np.log10(sweep.rates())
    falls_at_minus_3_rises_at_minus_1 = 2 - 1 / (1 + np.exp(-4 * (decades + 3))) + np.exp(4 * (decades + 1)) / 100
    found = known(falls_at_minus_3_rises_at_minus_1, sweep)
    steepest = found.steepest()
    assert steepest is not None
    assert np.log10(steepest.lr) == pytest.approx(-3, abs=0.06)
    least = sweep.rates()[falls_at_minus_3_rises_at_minus_1.argmin()]
    assert found.tenth_of_minimum().lr == pytest.approx(least / 10)


def test_a_loss_that_only_rises_has_no_steepest_fall() -> None:
    assert known(np.linspace(1, 3, 100), Sweep(steps=100)).steepest() is None


def test_without_training_images_there_is_nothing_to_test() -> None:
    nothing = LabeledImages(DATA.images[:0], DATA.labels[:0], DATA.index[:0])
    with pytest.raises(TrainingError, match="no training images"):
        range_test(classifier(recipe()), nothing)


def test_a_loss_that_is_infinite_from_the_start_is_an_error() -> None:
    broken = classifier(recipe())
    with torch.no_grad():
        for parameter in broken.network.parameters():
            parameter.fill_(float("inf"))
    with pytest.raises(TrainingError, match="not finite at the first step"):
        range_test(broken, DATA)
