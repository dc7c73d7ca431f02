"""What only a GPU would be measured by, on the CPU in both places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.on_gpu import agreement, precision, steps
from benchmarks.on_gpu.bench import CIFAR10, SPEED, TINY, Bench
from benchmarks.on_gpu.fits import different
from benchmarks.on_gpu.limits import TARGETS
from benchmarks.on_gpu.packing import told
from benchmarks.on_gpu.rounds import in_turn, ratio, tutorial
from benchmarks.on_gpu.rows import Figures
from benchmarks.on_gpu.speed import MODELS
from harness.plugins import Catalog
from tests.benchmarks.conftest import CPU, script

COMPARED = [row.name for row in agreement.measurements(Bench(CPU, TINY, None, Path(), None, False))]


def ignore(_: Figures) -> None:
    """Keep nothing."""


@pytest.mark.parametrize("name", COMPARED)
def test_a_device_agrees_with_itself(name: str, bench: Bench) -> None:
    row = next(each for each in agreement.measurements(bench) if each.name == name)
    found = row.take(ignore)
    assert (found["value"], found["ok"]) == (0, True)


def test_every_augmentation_is_compared() -> None:
    compared = {name.split()[1] for name in COMPARED if name.startswith("augmentation")}
    assert compared == {*Catalog().names("augmentation")}


def test_a_difference_of_one_number_does_not_hold() -> None:
    here = torch.rand(4, 3, 8, 8)
    there = here.clone()
    there[0, 0, 0, 0] += 1
    found = agreement._compared([(here, there)])
    assert not found["ok"]
    assert found["value"] == pytest.approx(1)
    assert found["differing"] == pytest.approx(1 / here.numel())


def test_rounding_on_one_device_stays_below_the_bound_between_two(bench: Bench) -> None:
    """So that a larger difference is a fault: at a usual learning rate rounding alone would pass the bound."""
    longer = Bench(CPU, replace(TINY, agreement_steps=50), None, bench.cache, None, False)
    found = agreement._losses(longer, *agreement.MODELS["small_cnn"], ignore)
    assert isinstance(found["rounding"], float)
    assert 0 < found["rounding"] < agreement.LOSSES


@pytest.mark.parametrize("name", steps.CASES)
def test_the_same_fit_twice_has_the_same_bits_and_says_that_no_step_was_recorded(name: str, bench: Bench) -> None:
    found = steps._recorded(bench, steps.CASES[name], ignore)
    assert (found["value"], found["ok"]) == (0, False)
    assert found["note"] == "no step was recorded"


def test_different_bits_are_counted() -> None:
    first = {"a": torch.zeros(2), "b": torch.zeros(2), "c": torch.zeros(1)}
    assert different(first, {"a": torch.zeros(2), "b": torch.tensor([0.0, 1e-45])}) == 2


def test_accuracies_of_two_formats_are_held_against_the_noise_of_seeds(bench: Bench) -> None:
    found = precision.compared({"bf16": [0.90, 0.91, 0.92], "fp32": [0.91, 0.92, 0.93]})
    assert found["ok"]
    assert found["difference"] == pytest.approx(-0.01)
    assert found["standard_error"] == pytest.approx((2 * 0.01**2 / 3) ** 0.5)
    assert not precision.compared({"bf16": [0.80, 0.81, 0.82], "fp32": [0.91, 0.92, 0.93]})["ok"]
    cell = bench.cell(SPEED, "speednet")
    assert 0 <= precision._accuracy(bench, cell, "fp32", seed=1) <= 1


def test_who_fails_runs_no_more_and_the_others_go_on() -> None:
    def fails() -> float:
        raise OSError("no shared memory")

    rates, failed = in_turn({"recorded": iter([4.0, 9.0]).__next__, "tutorial": fails}, 2)
    assert rates == {"recorded": [4.0, 9.0]}
    assert failed == ["tutorial: OSError: no shared memory"]
    assert ratio(rates, "recorded", "tutorial") is None
    assert ratio({"recorded": [4, 9, 8], "tutorial": [2, 3, 2]}, "recorded", "tutorial") == 3


@pytest.mark.parametrize(("file", "experiment"), [(CIFAR10, "small-vgg"), (SPEED, "speednet")])
def test_the_tutorials_script_takes_the_recipe_of_the_experiment(file: str, experiment: str, bench: Bench) -> None:
    assert tutorial(bench, bench.cell(file, experiment))() > 0


def test_models_and_targets_are_experiments_of_the_files() -> None:
    whole = Bench(CPU, replace(TINY, most_epochs=1000), None, Path(), None, False)
    epochs = {}
    for each in TARGETS:
        for suffix in ("", "-all"):
            recipe = whole.cell(each.file, each.experiment + suffix).recipe
            epochs[each.experiment + suffix] = recipe and recipe.epochs
    assert epochs["small-vgg"] == 40
    assert epochs["resnet18-recipe"] == epochs["resnet18-recipe-all"] == 100
    assert all(whole.cell(*place).recipe for place in MODELS.values())


def test_packing_is_told_as_a_share_of_one_after_the_other() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "one after the other", "cells_an_hour": 100.0},
        {"name": "measured", "cells_an_hour": 250.0},
    ]
    assert told({"cells": 12, "epochs": 10, "rows": rows})["measured, times as many"] == 2.5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_all_that_is_correct_holds_on_a_gpu() -> None:
    finished = script("--tiny", "--only", "correctness")
    assert finished.returncode == 0, finished.stdout
