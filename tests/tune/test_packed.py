"""Searches on GPUs that are named only, with cells placed by measurement."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings
from harness.tune.context import TuneContext
from harness.tune.study import TuneOutcome, run_tuning
from tests.execute.fake_machine import give_it_two_gpus
from tests.tune.conftest import FAKE, Diary, Lab

pytestmark = pytest.mark.slow

TUNE = """
    trials: 7
    pruner: none
"""


def run_on_gpus(context: TuneContext, device: str, workers: int, packed: bool) -> TuneOutcome:
    settings = RunSettings(home=context.store.home, device=device, workers=workers, packed=packed)
    return run_tuning(context, open_executor("local", workers, 1, FAKE), settings, Diary())


def test_packing_draws_the_points_that_one_worker_on_the_processor_draws(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = lab.in_another(shutil.copytree(lab.store.home, tmp_path / "other"))
    alone = lab.tune(TUNE)
    give_it_two_gpus(monkeypatch)
    packed = run_on_gpus(replace(lab.context(TUNE), store=other.store), "cuda", workers=4, packed=True)
    assert (alone.state, packed.state) == ("done", "done")
    assert [trial.params for trial in packed.tuning.trials] == [trial.params for trial in alone.tuning.trials]
    assert packed.tuning.winner == alone.tuning.winner


def test_memory_that_ran_out_beside_another_trial_costs_the_trial_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_it_two_gpus(monkeypatch)
    lab.trouble("run out of memory", call=1)
    ended = run_on_gpus(lab.context(TUNE), "cuda:0", workers=2, packed=False)
    assert ended.state == "done"
    assert [trial.state for trial in ended.tuning.trials] == ["complete"] * 7
    assert ended.tuning.retried == 0
    failed = [record for record in lab.store.records("study") if record.status == "FAILED"]
    assert [record.tags["harness.error"] for record in failed] == [
        "out of memory; tried again with no other cell beside it"
    ]
