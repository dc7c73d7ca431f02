"""What a figure is of: the images it was planned, fitted and measured on, each by what the files hold."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from harness.api.run import Finished, run
from harness.audit import gather_evidence, verdicts
from harness.contracts import SealedSet
from harness.contracts.metrics import TEST_ACCURACY
from harness.data.seal import CHANGED_SINCE
from harness.execute.plan import changed_since, make_plan, states
from harness.matrix import load_study
from harness.plugins import Catalog
from harness.track import Store, open_store
from harness.track.runs import CHANGED, OTHER_SET, standing_of

HEAD = """version: 1
study: {study}
dataset: {{name: npz, train: train.npz, test: {test}, validation: {{fraction: 0.2}}}}
seeds: [0]
"""


class Folder:
    """Digits in npz files: `ours` has the true labels, `theirs` the same images with shuffled ones."""

    def __init__(self, path: Path) -> None:
        self.path, self.home = path, path / "home"
        digits = load_digits()
        images, labels = (digits.images * 15).astype(np.uint8), digits.target
        shuffled = np.random.default_rng(0).permutation(labels[300:400])
        self.write("train.npz", images[:300], labels[:300])
        self.write("ours.npz", images[300:400], labels[300:400])
        self.write("theirs.npz", images[300:400], shuffled)

    def write(self, name: str, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        np.savez(self.path / name, x=images, y=labels)

    def matrix(self, text: str, study: str = "one", test: str = "ours.npz") -> Path:
        path = self.path / f"{study}.yaml"
        path.write_text(HEAD.format(study=study, test=test) + text)
        return path

    def run(self, text: str, study: str = "one", test: str = "ours.npz", workers: int | None = None) -> Finished:
        executor = "inline" if workers is None else "local"
        matrix = self.matrix(text, study, test)
        return run(matrix, home=self.home, device="cpu", executor=executor, workers=workers or 1)

    @property
    def store(self) -> Store:
        return open_store(self.home)

    def swap_images(self) -> None:
        """Give the test file other images with the same labels in the same order."""
        with np.load(self.path / "ours.npz") as kept:
            self.write("ours.npz", np.ascontiguousarray(kept["x"][:, ::-1]), kept["y"])


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def figures(finished: Finished) -> dict[str, float]:
    return {each.planned.name: round(each.metrics.get(TEST_ACCURACY, -1), 2) for each in finished.cells}


def failed_checks(folder: Folder, study: str) -> dict[str, list[str]]:
    evidence = gather_evidence(folder.store, study, folder.home / "reports" / study)
    return {
        each.name: [finding.what for finding in each.findings] for each in verdicts(evidence, 1.0) if not each.is_passed
    }


LOGISTIC = "experiments: {logistic: {model: logistic}}"


def test_two_test_sets_on_an_axis_are_two_figures_of_one_fit(folder: Folder) -> None:
    axis = "experiments: {logistic: {model: logistic, matrix: {dataset.test: [ours.npz, theirs.npz]}}}"
    finished = folder.run(axis, workers=2)
    assert (finished.state, finished.left_out) == ("complete", 0)
    ours, theirs = (figures(finished)[f"logistic test={name}.npz s0"] for name in ("ours", "theirs"))
    assert ours > 0.8 and theirs < 0.2
    first, second = (folder.store.record(each.run_id or "") for each in finished.cells)
    assert first.key == second.key
    assert first.tags["harness.model_digest"] == second.tags["harness.model_digest"]
    assert second.tags["harness.fit_run"] == first.run_id
    assert len({each.test_files for each in folder.store.openings([first.key])}) == 2
    assert failed_checks(folder, "one") == {}
    assert figures(folder.run(axis, workers=2)) == figures(finished), "the second time there is nothing to do"


def test_two_studies_on_one_home_show_each_its_own_test_set(folder: Folder) -> None:
    ours, theirs = folder.run(LOGISTIC, "one"), folder.run(LOGISTIC, "two", "theirs.npz")
    assert figures(ours)["logistic s0"] > 0.8 and figures(theirs)["logistic s0"] < 0.2
    assert failed_checks(folder, "one") == failed_checks(folder, "two") == {}


def test_an_edited_test_file_is_told_and_opened_anew_without_a_fit(folder: Folder) -> None:
    first = folder.run(LOGISTIC)
    folder.write("ours.npz", *(np.load(folder.path / "theirs.npz")[name] for name in ("x", "y")))
    assert len(changed_since([first.cells[0].planned], folder.home / "cache")) == 1
    evidence = gather_evidence(folder.store, "one", folder.home / "reports" / "one")
    openings = next(each for each in verdicts(evidence, 1.0) if each.name == "openings")
    assert openings.is_passed and [each.what for each in openings.findings] == [CHANGED_SINCE]
    plan = make_plan(load_study(folder.path / "one.yaml", Catalog()), Catalog(), folder.home / "cache")
    (state,) = states(plan, folder.store)
    assert (state.state, state.reason) == ("missing", CHANGED)

    again = folder.run(LOGISTIC)
    assert figures(first)["logistic s0"] > 0.8 and figures(again)["logistic s0"] < 0.2
    assert len(folder.store.openings()) == 2
    assert failed_checks(folder, "one") == {}


def test_files_that_were_touched_or_moved_are_the_same_test_set(folder: Folder) -> None:
    first = folder.run(LOGISTIC)
    os.utime(folder.path / "ours.npz", (1, 1))
    (folder.path / "elsewhere").mkdir()
    (folder.path / "ours.npz").rename(folder.path / "elsewhere" / "renamed.npz")
    again = folder.run(LOGISTIC, test="elsewhere/renamed.npz")
    assert [each.state for each in again.cells] == ["skipped"] and figures(again) == figures(first)
    (folder.path / "elsewhere" / "renamed.npz").unlink()
    gone = folder.run(LOGISTIC)
    assert [each.state for each in gone.cells] == ["skipped"], "what is done needs no test file"


def test_a_missing_test_file_that_comes_later_is_opened_then(folder: Folder) -> None:
    (folder.path / "ours.npz").rename(folder.path / "kept.npz")
    assert folder.run(LOGISTIC).state == "failed"
    (folder.path / "kept.npz").rename(folder.path / "ours.npz")
    finished = folder.run(LOGISTIC)
    assert [each.state for each in finished.cells] == ["finished"] and figures(finished)["logistic s0"] > 0.8


TWO = "experiments: {majority: {model: majority}, logistic: {model: logistic}}"


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Return what has something done between the first cell of a run and the second."""

    def do(change: Callable[[], object]) -> None:
        from harness.execute import recording

        finish = recording.CellRun.finish
        left = [change]

        def finish_and_change(self: recording.CellRun, *args: object) -> object:
            ended = finish(self, *args)  # type: ignore[arg-type]
            for each in left:
                each()
            left.clear()
            return ended

        monkeypatch.setattr(recording.CellRun, "finish", finish_and_change)

    return do


def test_a_training_file_that_is_replaced_while_cells_run_fails_the_others(
    folder: Folder, between: Callable[[Callable[[], object]], None]
) -> None:
    with np.load(folder.path / "train.npz") as kept:
        images, labels = kept["x"], kept["y"]
    between(lambda: folder.write("train.npz", 255 - images, labels))
    first, second = folder.run(TWO).cells
    assert (first.state, second.state) == ("finished", "failed")
    planned = first.planned.data_fingerprint
    assert "the train images of npz" in second.message and planned in second.message
    assert len(folder.store.openings()) == 1


def test_test_images_that_are_swapped_while_cells_run_are_not_opened(
    folder: Folder, between: Callable[[Callable[[], object]], None]
) -> None:
    between(folder.swap_images)
    first, second = folder.run(TWO).cells
    assert (first.state, second.state) == ("finished", "failed")
    assert "the test images of npz" in second.message and first.planned.test_files in second.message
    assert len(folder.store.openings()) == 1


def test_the_audit_fails_of_one_table_over_different_images(folder: Folder) -> None:
    finished = folder.run(TWO)
    folder.store.tag(finished.cells[1].run_id or "", {"harness.test_fingerprint": "other images"})
    found = failed_checks(folder, "one")
    assert any("they are other images" in each for each in found["labels"])


def test_once_after_never_takes_the_model_that_is_there(folder: Folder) -> None:
    mlp = "experiments: {{mlp: {{model: mlp, test: {test}, recipe: {{epochs: 2}}}}}}"
    sealed, opened = folder.run(mlp.format(test="never")), folder.run(mlp.format(test="once"))
    before, after = (folder.store.record(each.cells[0].run_id or "") for each in (sealed, opened))
    assert before.key != after.key
    assert before.tags["harness.model_digest"] == after.tags["harness.model_digest"]
    assert after.tags["harness.fit_run"] == before.run_id
    assert after.metrics["time/train_seconds"] == before.metrics["time/train_seconds"]
    assert [step for step, _ in folder.store.history(after.run_id)["train/loss"]] == [1, 2]
    assert failed_checks(folder, "one") == {}


def test_a_model_that_draws_nothing_is_fitted_once_for_all_seeds(folder: Folder) -> None:
    finished = folder.run("experiments: {logistic: {model: logistic, seeds: [0, 1, 2]}}")
    records = [folder.store.record(each.run_id or "") for each in finished.cells]
    assert len({each.key for each in records}) == 3
    assert len({each.tags["harness.model_digest"] for each in records}) == 1
    assert ["harness.fit_run" in each.tags for each in records] == [False, True, True]
    assert failed_checks(folder, "one") == {}


def test_a_run_of_an_earlier_version_stands_for_files_of_its_name(folder: Folder) -> None:
    finished = folder.run(LOGISTIC)
    (outcome,) = finished.cells
    record = folder.store.record(outcome.run_id or "")
    kept = {name: value for name, value in record.tags.items() if name not in {"harness.test_files"}}
    kept.pop("harness.test_fingerprint")
    old = type(record)(**{name: getattr(record, name) for name in record.__slots__} | {"tags": kept})
    assert standing_of(outcome.planned, [old]).state == "done"
    study = load_study(folder.matrix(LOGISTIC, test="theirs.npz"), Catalog())
    other = make_plan(study, Catalog(), folder.home / "cache").cells[0]
    assert other.key == outcome.planned.key
    assert standing_of(other, [old]).reason == OTHER_SET


def test_what_is_unknown_of_a_test_set_is_neither_the_same_nor_another() -> None:
    assert SealedSet("files", "images").is_same(SealedSet("other files", "images"))
    assert SealedSet("files").is_same(SealedSet("other files", "images")) is False
    assert SealedSet("files").is_same(SealedSet("", "images")) is None
