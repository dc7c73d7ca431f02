"""`harness tune` and what `run`, `plan`, `validate` and `status` say of tuning studies, on real cells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from typer.testing import CliRunner, Result

from harness.cli.options import app
from harness.track import open_store

MATRIX = """\
version: 1
study: tuned
dataset: {{name: npz, train: {folder}/train.npz, test: {folder}/test.npz, validation: {{size: 200, seed: 0}}}}
seeds: [0]
defaults: {{recipe: {{epochs: 2, batch_size: 50, optimizer: {{name: sgd, lr: 0.01}}}}}}
experiments:
  mlp: {{model: {{name: mlp, hidden: 8}}, test: never}}
  floor: {{model: majority, test: never}}
  wide: {{model: {{name: mlp, hidden: 32}}}}
tune:
  wide:
    trials: 4
    space:
      recipe.optimizer.lr: {{low: 1.0e-3, high: 1.0, log: true}}
    confirm: {{top: 2, seeds: [5]}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A matrix file, digits in two files, and one home for all tests."""
    folder = tmp_path_factory.mktemp("place")
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels.reshape(-1, 8, 8, 1) * 15.9375).astype(np.uint8)
    for split, part in (("train", slice(0, 1000)), ("test", slice(1000, None))):
        np.savez(folder / f"{split}.npz", x=images[part], y=labels[part])
    (folder / "matrix.yaml").write_text(MATRIX.format(folder=folder))
    return folder


def harness(place: Path, *arguments: str) -> Result:
    command, *rest = arguments
    home = [] if command == "validate" else ["--home", str(place / "home")]
    return CliRunner().invoke(app, [command, str(place / "matrix.yaml"), *rest, *home])


def trials(place: Path) -> list[str]:
    records = open_store(place / "home").records("tuned")
    return [each.run_id for each in records if each.kind == "trial" and each.status == "FINISHED"]


def test_without_the_test_file_the_search_runs_and_the_last_step_ends_when_it_is_back(place: Path) -> None:
    assert harness(place, "validate").stdout == "ok: 3 cells in 3 experiments, 1 experiment to tune\n"
    before = json.loads(harness(place, "plan", "--json").stdout)["tune"]
    (place / "test.npz").rename(place / "elsewhere")
    for command in ("validate", "plan"):
        told = harness(place, command)
        assert (told.exit_code, "test.npz: no such file" in told.stderr) == (2, True), told.stderr
    failed = harness(place, "tune", "--json")
    searched = trials(place)
    (place / "elsewhere").rename(place / "test.npz")
    finished = harness(place, "run", "--json")
    again = harness(place, "run", "--json")

    assert [(each["state"], each["trials"], each["fits"]) for each in before] == [("missing", 0, 7)]
    assert (failed.exit_code, finished.exit_code, again.exit_code) == (1, 0, 0), failed.output + finished.output
    (first,), (second,), (third,) = (json.loads(each.stdout)["tune"] for each in (failed, finished, again))
    assert first["state"] == "failed" and "test.npz" in first["message"]
    assert second["state"] == "done" and second["winner"] == first["winner"]
    assert second["final_metrics"]["test/accuracy"] > 0.5
    assert third["state"] == "skipped"
    assert trials(place) == searched and len(searched) == 6
    assert [each["state"] for each in json.loads(harness(place, "plan", "--json").stdout)["tune"]] == ["done"]


def test_the_report_has_the_winner_beside_the_experiment_and_the_audit_passes(place: Path) -> None:
    text = (place / "home" / "reports" / "tuned" / "results.md").read_text()
    assert "wide tuned" in text and "optimis" in text.lower()
    assert (place / "home" / "reports" / "tuned" / "best-wide.yaml").exists()
    audited = harness(place, "audit")
    assert audited.exit_code == 0, audited.output
    best = CliRunner().invoke(
        app,
        ["run", str(place / "home" / "reports" / "tuned" / "best-wide.yaml"), "--home", str(place / "home"), "--json"],
    )
    (cell,) = json.loads(best.stdout)["cells"]
    assert cell["state"] == "skipped" and cell["metrics"]["test/accuracy"] > 0.5  # the very cell, so nothing is run


def test_an_unknown_study_is_named_with_the_nearest(place: Path) -> None:
    ended = harness(place, "tune", "wid")
    assert ended.exit_code == 2
    assert 'tune has no "wid"; did you mean "wide"?' in ended.stderr


def test_a_file_without_tune_says_so(place: Path) -> None:
    matrix = place / "untuned.yaml"
    matrix.write_text(MATRIX.format(folder=place).partition("tune:")[0])
    ended = CliRunner().invoke(app, ["tune", str(matrix), "--home", str(place / "home")])
    assert ended.exit_code == 2 and "no tune section" in ended.stderr


def test_more_trials_after_the_opening_are_refused_before_anything_starts(place: Path) -> None:
    searched = trials(place)
    for command in ("run", "tune", "plan"):
        ended = harness(place, command, "--set", "tune.wide.trials=9")
        assert ended.exit_code == 2, command
        assert "opened the test set at" in ended.stderr
    assert trials(place) == searched


@pytest.mark.slow
def test_a_smoke_run_tries_the_tuning_in_a_store_of_its_own(place: Path) -> None:
    ended = harness(place, "tune", "--smoke", "--json")
    assert ended.exit_code == 0, ended.output
    (study,) = json.loads(ended.stdout)["tune"]
    assert (study["state"], study["trials"]) == ("done", 2)
    assert open_store(place / "home" / "smoke").openings() == []


@pytest.mark.slow
def test_a_budget_counts_the_trials(place: Path) -> None:
    matrix = place / "costly.yaml"
    text = MATRIX.format(folder=place).replace("study: tuned", "study: costly")
    text = text.replace("hidden: 32}", "hidden: 24}, test: never")
    matrix.write_text(text)
    run = ["run", str(matrix), "--home", str(place / "home")]
    assert CliRunner().invoke(app, run).exit_code == 0
    matrix.write_text(text.replace("trials: 4", "trials: 1000000") + "budget: {hours: 0.5}\n")
    refused = CliRunner().invoke(app, run)
    assert refused.exit_code == 2
    assert "budget.hours is 0.5; nothing is run" in refused.stderr
