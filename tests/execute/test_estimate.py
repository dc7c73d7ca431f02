"""Who runs a plan's cells, how long they are thought to take, and what is tagged with it."""

from __future__ import annotations

import pytest

from harness.contracts import StudyPlan
from harness.contracts.metrics import FLOPS, TRAIN_SECONDS
from harness.execute import estimate, plan
from harness.execute.estimate import Estimate, Rates, Workers, workers_for
from tests.cli.conftest import planned

CPU, GPU, GPUS = ("cpu",), ("cuda:0",), ("cuda:0", "cuda:1")


@pytest.fixture(autouse=True)
def _sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 16)


def cores(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    for module in (plan, estimate):
        monkeypatch.setattr(module, "usable_cores", lambda: number)


def test_a_processor_has_a_worker_a_core_up_to_eight_or_as_many_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for number in (1, 4, 16):
        cores(monkeypatch, number)
        counts.append(workers_for(None, "local", CPU, 100).count)
    assert counts == [1, 4, 8]
    assert workers_for(3, "local", CPU, 100).text == "3 workers on cpu"
    assert workers_for(None, "local", CPU, 2).text == "2 workers on cpu"
    assert workers_for(None, "inline", CPU, 100).text == "1 worker on cpu"


def test_cells_on_gpus_are_packed_by_measurement_unless_workers_are_given() -> None:
    assert workers_for(None, "local", GPU, 100).text == "up to 8 workers on cuda:0, packed by measurement"
    assert workers_for(None, "local", GPUS, 100).text == "up to 16 workers on 2 GPUs, packed by measurement"
    assert workers_for(3, "local", GPUS, 100).text == "3 workers on 2 GPUs"
    assert workers_for(None, "local", GPU, 1).text == "1 worker on cuda:0"
    assert not workers_for(None, "inline", GPUS, 100).packed


def test_there_is_never_more_than_a_worker_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 6)
    assert workers_for(None, "local", GPUS, 100).count == 6


def test_a_time_is_foreseen_for_one_cell_on_each_gpu() -> None:
    rates, cells = Rates(), tuple(planned("mlp", seed=seed) for seed in range(4))
    rates.add(cells[0].cell, 10.0)
    assert Estimate((), cells, workers_for(None, "local", GPUS, len(cells)), rates).seconds == 20.0


def test_a_cell_like_a_finished_one_is_guessed_by_its_epochs() -> None:
    rates = Rates()
    rates.add(planned("mlp", epochs=4).cell, 8.0)
    assert rates.guess(planned("mlp", seed=3, epochs=10).cell) == 20.0


def test_what_is_not_fitting_takes_as_long_whatever_the_epochs() -> None:
    rates = Rates()
    rates.add(planned("mlp", epochs=4).cell, 9.0, {TRAIN_SECONDS: 8.0})
    assert rates.guess(planned("mlp", seed=3, epochs=10).cell) == 21.0


def test_the_closest_finished_cells_count_for_a_guess() -> None:
    rates = Rates()
    rates.add(planned("mlp", width=8).cell, 4.0)
    rates.add(planned("mlp", width=64).cell, 400.0)
    assert rates.guess(planned("mlp", width=8, seed=1).cell) == 4.0
    assert rates.guess(planned("mlp", width=9).cell) == 202.0


def test_nothing_is_guessed_of_another_model() -> None:
    rates = Rates()
    rates.add(planned("mlp").cell, 4.0)
    assert rates.guess(planned("small_cnn").cell) is None


def test_another_network_is_guessed_by_its_operations_from_the_nearest_one() -> None:
    rates = Rates()
    rates.add(planned("mlp").cell, 3.0, {FLOPS: 1e4, TRAIN_SECONDS: 2.0})
    rates.add(planned("small_cnn").cell, 30.0, {FLOPS: 1e6, TRAIN_SECONDS: 20.0})
    assert rates.guess(planned("small_vgg").cell, flops=8e6) == pytest.approx(10.0 + 4 * 20.0)
    assert rates.guess(planned("small_vgg").cell, flops=1e4) == pytest.approx(3.0)
    assert rates.guess(planned("hog_svm", epochs=None).cell, flops=None) is None


def test_operations_say_nothing_across_data_sets() -> None:
    rates = Rates()
    rates.add(planned("mlp").cell, 3.0, {FLOPS: 1e4})
    other = planned("small_cnn").cell
    other = other.model_copy(update={"dataset": other.dataset.model_copy(update={"name": "mnist"})})
    assert rates.guess(other, flops=1e4) is None


def test_in_a_smoke_run_every_cell_trains_for_one_epoch() -> None:
    rates = Rates(smoke=True)
    rates.add(planned("mlp", epochs=30).cell, 2.0)
    assert rates.guess(planned("mlp", seed=1, epochs=30).cell) == 2.0
    assert rates.guess(planned("mlp", seed=1, epochs=300).cell) == 2.0
    assert rates.epochs_of(planned("mlp", epochs=30).cell) == 1


def test_operations_are_counted_only_where_they_help() -> None:
    mlp, cnn, hog = planned("mlp"), planned("small_cnn"), planned("hog_svm", epochs=None)
    one = Workers(1, CPU)
    assert not Estimate((), (mlp, hog), one, Rates()).wants_flops
    assert Estimate((), (mlp, cnn, hog), one, Rates()).wants_flops
    rates = Rates()
    rates.add(mlp.cell, 3.0, {FLOPS: 1e4})
    assert Estimate((), (cnn,), one, rates).wants_flops
    assert not Estimate((), (mlp,), one, rates).wants_flops


def test_cells_to_run_carry_what_was_foreseen_and_done_or_unknown_ones_do_not() -> None:
    done, todo, unknown = planned("mlp"), planned("mlp", seed=1, epochs=10), planned("small_cnn")
    rates = Rates()
    rates.add(done.cell, 8.0)
    study = StudyPlan(study="a", matrix="a.yaml", cells=(done, todo, unknown))
    found = Estimate((), (todo, unknown), Workers(1, CPU), rates)
    assert (found.unknown, found.seconds) == (1, 20.0)
    tags = [dict(each.tags) for each in found.noted(study).cells]
    assert tags == [{}, {"harness.estimated_seconds": "20.000"}, {}]
