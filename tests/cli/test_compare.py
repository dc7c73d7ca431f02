"""Two runs of a real home, compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, bootstrap

from harness.measure.predictions import Predictions, changes, unlike
from harness.track import open_store
from tests.cli.homes import harness


def compared(home: Path, *arguments: object) -> dict[str, Any]:
    done = harness("compare", *arguments, "--json", "--home", home)
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def logged(home: Path, run_id: str, split: str) -> pd.DataFrame:
    """Return a run's predictions by pandas alone: index, label, answer."""
    path = open_store(home).artifact(run_id, f"predictions/{split}.parquet")
    assert path is not None
    table = pd.read_parquet(path)
    scores = table.drop(columns=["index", "label"])
    return pd.DataFrame({"index": table["index"], "label": table["label"], "answer": scores.to_numpy().argmax(axis=1)})


@pytest.fixture(scope="module")
def both(finished_home: Path) -> dict[str, Any]:
    return compared(finished_home, "cnn s0", "hog s0")


def test_the_changed_images_are_those_whose_answers_became_right_or_wrong(
    both: dict[str, Any], finished_home: Path
) -> None:
    a, b = (logged(finished_home, both[side]["run_id"], "test") for side in "ab")
    right_a, right_b = a.answer == a.label, b.answer == b.label
    lost = a[right_a & ~right_b]
    told = both["paired"]["changed"]["right_to_wrong"]
    assert [each["index"] for each in told] == lost["index"].tolist()
    assert [each["label"] for each in told] == [str(label) for label in lost["label"]]
    assert [each["b"] for each in told] == [str(answer) for answer in b.answer[lost.index]]
    assert both["paired"]["counts"]["wrong_to_right"] == int((~right_a & right_b).sum()) > 0
    assert both["paired"]["counts"]["wrong_to_wrong"] == int((~right_a & ~right_b & (a.answer != b.answer)).sum())


def test_the_paired_test_is_mcnemars_exact_one(both: dict[str, Any]) -> None:
    counts = both["paired"]["counts"]
    gained, lost = counts["wrong_to_right"], counts["right_to_wrong"]
    assert both["paired"]["p_value"] == pytest.approx(binomtest(gained, gained + lost).pvalue)
    assert both["paired"]["difference"] == pytest.approx((gained - lost) / 120)


def test_the_interval_is_that_of_a_paired_bootstrap_of_the_images(both: dict[str, Any], finished_home: Path) -> None:
    a, b = (logged(finished_home, both[side]["run_id"], "test") for side in "ab")
    moves = (b.answer == b.label).astype(int) - (a.answer == a.label).astype(int)
    reference = bootstrap((moves,), np.mean, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    assert both["paired"]["interval"] == pytest.approx([reference.low, reference.high], abs=1.5 / 120)


def test_only_settings_that_differ_are_listed(both: dict[str, Any], finished_home: Path) -> None:
    paths = [each["name"] for each in both["settings"]]
    assert "model.name" in paths
    assert not any(path.startswith("dataset.") for path in paths)
    seeds = compared(finished_home, "cnn s0", "cnn s1")
    assert seeds["settings"] == [{"name": "seed", "a": "0", "b": "1"}]


def test_figures_stand_side_by_side(both: dict[str, Any]) -> None:
    figures = {each["name"]: each for each in both["metrics"]}
    assert figures["test/accuracy"]["a"] == pytest.approx(both["paired"]["accuracy_a"])
    assert figures["val/loss"]["b"] is None


def test_a_sealed_run_is_paired_on_validation(finished_home: Path) -> None:
    found = compared(finished_home, "cnn s0", "sealed s0")
    assert (found["split"], found["paired"]["images"]) == ("val", 200)
    asked = compared(finished_home, "cnn s0", "sealed s0", "--split", "test")
    assert (asked["paired"], asked["refused"]) == (None, "B predicted no test images")


@pytest.mark.parametrize(("split", "counts"), [("test", ("120", "80")), ("val", ("200", "150"))])
def test_other_images_are_not_paired_and_the_rest_is_still_shown(
    finished_home: Path, split: str, counts: tuple[str, str]
) -> None:
    other = next(record for record in open_store(finished_home).records("other") if record.name == "floor s0")
    done = harness("compare", "hog s0", other.run_id[:10], "--split", split, "--home", finished_home)
    assert done.exit_code == 0
    assert "not paired: other images" in done.stdout
    assert f"A has {counts[0]}, B has {counts[1]}" in done.stdout
    assert "dataset.limit.test" in done.stdout
    assert "val/accuracy" in done.stdout


def test_a_run_does_not_differ_from_itself(finished_home: Path) -> None:
    found = compared(finished_home, "hog s0", "hog s0")
    assert (found["settings"], found["about"]) == ([], [])
    assert (found["paired"]["p_value"], found["paired"]["difference"]) == (1.0, 0.0)


def test_what_is_printed_fits_into_80_columns(finished_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = harness("compare", "cnn s0", "hog s0", "--home", finished_home).stdout
    tables = [line for line in shown.splitlines() if "─" in line]
    assert len(tables) == 4
    assert all(len(line) <= 80 for line in tables)
    assert "McNemar's exact test" in shown
    assert "recipe" in shown
    assert "recipe.epochs" not in shown, "a recipe that only one has is one line"


def test_a_run_is_found_by_its_name_its_id_and_its_key(finished_home: Path) -> None:
    record = next(each for each in open_store(finished_home).records("tiny") if each.name == "hog s0")
    for asked in (record.run_id, record.run_id[:6], record.run_id[:8].upper(), record.key):
        assert compared(finished_home, asked, "cnn s0")["a"]["run_id"] == record.run_id


def test_a_name_that_two_cells_have_lists_both(finished_home: Path) -> None:
    done = harness("compare", "floor s0", "cnn s0", "--home", finished_home)
    assert done.exit_code == 2
    assert "could be several runs" in done.stderr
    assert "study tiny" in done.stderr
    assert "study other" in done.stderr


@pytest.mark.parametrize(
    ("asked", "said"), [("cn s0", 'did you mean "cnn s0"?'), ("zzzzzzzz", "such as:"), ("abc", "there is no run")]
)
def test_a_run_that_is_not_there_is_told_with_those_that_are(finished_home: Path, asked: str, said: str) -> None:
    done = harness("compare", asked, "cnn s0", "--home", finished_home)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_where_nothing_was_run_nothing_is_compared(tmp_path: Path) -> None:
    done = harness("compare", "a", "b", "--home", tmp_path / "none")
    assert done.exit_code == 2
    assert "nothing was run" in done.stderr
    assert not (tmp_path / "none").exists()


def predictions(labels: list[int], answers: list[int], classes: tuple[str, ...] = ("cat", "dog")) -> Predictions:
    scores = np.eye(len(classes), dtype=np.float32)[answers]
    return Predictions(classes, np.arange(len(labels)), np.array(labels), scores)


def test_equal_positions_with_other_labels_are_other_images() -> None:
    a, b = predictions([0, 1, 1], [0, 1, 1]), predictions([0, 1, 0], [0, 1, 1])
    assert "the labels differ for 1 of 3 images, the first has index 2" in unlike(a, b)
    with pytest.raises(ValueError, match="labels differ"):
        changes(a, b)
    renamed = predictions([0, 1, 1], [0, 1, 1], ("cat", "emu"))
    assert '"dog" in A is "emu" in B' in unlike(a, renamed)


def test_the_p_value_is_the_published_one_of_an_example() -> None:
    """Agresti 2013, Categorical Data Analysis, section 11.1: 86 and 150 discordant answers, McNemar z^2 = 17.36."""
    a = predictions([0] * 236, [0] * 86 + [1] * 150)
    b = predictions([0] * 236, [1] * 86 + [0] * 150)
    found = changes(a, b)
    assert (len(found.lost), len(found.gained)) == (86, 150)
    assert found.p_value == pytest.approx(3.7e-5, rel=0.05)
