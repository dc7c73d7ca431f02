"""What runs and experiments carry for MLflow's own pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.track import LEDGER, Store, open_store
from harness.track.experiments import CELLS, PREFIX, TRIALS, VARIANTS, run_link, study_link
from harness.track.runs import note

TAGS = {"harness.dataset": "digits", "harness.data_fingerprint": "0123456789abcdef", "harness.git": f"{'c' * 40}+dirty"}


def pictures(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        pixels = np.random.default_rng(0).integers(0, 256, (300, 500, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def state_of(view: str) -> dict[str, Any]:
    """What a saved view shows."""
    state: dict[str, Any] = json.loads(json.loads(view)["state"])
    return state


def test_a_study_has_views_and_the_ledger_has_none(store: Store) -> None:
    store.start_run("a study", "cell", "mlp s0", tags={})
    store.open_test("key", "digest", "run", "a study")
    tags = store.client.get_experiment_by_name("a study").tags
    names = {key: json.loads(tags[f"{PREFIX}{key}"])["name"] for key in (CELLS, VARIANTS)}
    assert names == {CELLS: "Cells, the best on validation first", VARIANTS: "Means over seeds, by variant"}
    assert state_of(tags[f"{PREFIX}{CELLS}"])["searchFilter"] == "tags.`harness.kind` = 'cell'"
    assert f"{PREFIX}{TRIALS}" not in tags
    assert max(map(len, tags.values())) < 5000
    ledger = store.client.get_experiment_by_name(LEDGER).tags
    assert not any(key.startswith(PREFIX) for key in ledger)
    assert "opened once" in ledger["mlflow.note.content"]


def test_a_study_of_an_earlier_version_gets_its_views_and_keeps_a_changed_note(store: Store) -> None:
    former = {"mlflow.note.content": "my own words", f"{PREFIX}{CELLS}": "old", f"{PREFIX}experiments": "old"}
    experiment = store.client.create_experiment("old", None, tags=former)
    assert store.study_links("http://here")["old"] == study_link("http://here", experiment)
    tags = store.client.get_experiment(experiment).tags
    assert state_of(tags[f"{PREFIX}{CELLS}"])["orderByKey"] == "metrics.`val/accuracy`"
    assert tags["mlflow.note.content"] == "my own words"
    assert f"{PREFIX}experiments" not in tags


def test_means_are_taken_over_the_seeds_of_a_variant(store: Store) -> None:
    names = ("cnn lr=0.1 s0", "cnn lr=0.1 s1", "cnn lr=0.2 s0")
    for name in names:
        store.start_run("a study", "cell", name, tags={"harness.experiment": "cnn", "harness.seed": name[-1]})
    view = state_of(store.client.get_experiment_by_name("a study").tags[f"{PREFIX}{VARIANTS}"])
    (key,) = view["groupBy"]["groupByKeys"]
    assert (key["mode"], view["groupBy"]["aggregateFunction"]) == ("tag", "average")
    groups = [record.tags[key["groupByData"]] for record in store.records("a study")]
    assert sorted(groups) == ["cnn lr=0.1", "cnn lr=0.1", "cnn lr=0.2"]


def test_a_study_with_searches_has_a_view_of_their_trials_with_all_that_they_vary(store: Store) -> None:
    spaces = [
        {"tune.space.recipe.optimizer.lr": "0.1 to 1, log"},
        {f"tune.space.model.option{i}": "" for i in range(30)},
    ]
    for number, space in enumerate(spaces):
        params = {"tune.objective": "minimize val/loss", **space}
        store.start_run("a study", "study", f"search {number}", tags={}, params=params)
    view = store.client.get_experiment_by_name("a study").tags[f"{PREFIX}{TRIALS}"]
    state = state_of(view)
    assert (state["searchFilter"], state["orderByKey"], state["orderByAsc"]) == (
        "tags.`harness.kind` = 'trial'",
        "metrics.`val/loss`",
        True,
    )
    varied = state["compareRunCharts"][0]["selectedParams"]
    assert varied[:2] == ["recipe.optimizer.lr", "model.option0"]
    assert {"params.`recipe.optimizer.lr`", "tags.`harness.trial`"} < set(state["selectedColumns"])
    assert len(view) < 5000


def test_links_open_the_menu_for_training(store: Store) -> None:
    assert run_link("http://here", "7", "abc") == "http://here/#/experiments/7/runs/abc?workflowType=machine_learning"
    assert "workflowType=machine_learning" in study_link("http://here", "7")


def test_a_runs_page_shows_tags_for_people_and_a_record_has_them_all(store: Store) -> None:
    tags = {"harness.key": "k1", "harness.model": "mlp", "harness.source_digest": "0123"}
    run_id = store.start_run("a study", "cell", "mlp s0", tags=tags)
    store.tag(run_id, {"harness.model_digest": "4567", "harness.test": "opened"})
    shown = {name for name in store.client.get_run(run_id).data.tags if not name.startswith("mlflow.")}
    assert shown == {"harness.kind", "harness.key", "harness.model", "harness.test"}
    found = store.record(run_id).tags
    assert {"harness.pid", "harness.host", *tags, "harness.model_digest"} <= found.keys()
    assert found["harness.model_digest"] == "4567"


def test_a_run_of_an_earlier_version_has_its_tags_where_they_were(store: Store) -> None:
    experiment = store.client.create_experiment("old")
    run_id = store.client.create_run(experiment, tags={"harness.pid": "1", "harness.attempt": "1"}).info.run_id
    store.tag(run_id, {"harness.pid": "2"})
    assert store.record(run_id).tags == {**store.record(run_id).tags, "harness.pid": "2", "harness.attempt": "1"}


def test_a_run_says_who_made_it_from_what_and_on_which_data(store: Store) -> None:
    run_id = store.start_run("a study", "cell", "mlp s0", tags=TAGS)
    run = store.client.get_run(run_id)
    assert run.data.tags["mlflow.source.git.commit"] == "c" * 40
    assert run.data.tags["mlflow.source.name"] == "harness"
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("digits", "0123456789abcdef")


def test_final_metrics_stand_at_step_0_but_for_those_that_epochs_have(store: Store) -> None:
    run_id = store.start_run("a study", "cell", "mlp s0", tags={})
    store.log_epoch(run_id, 3, {"val/accuracy": 0.5})
    store.log_final(run_id, {"val/accuracy": 0.75, "test/accuracy": 0.7}, {}, 3)
    steps = {name: store.client.get_metric_history(run_id, name)[-1].step for name in ("val/accuracy", "test/accuracy")}
    assert steps == {"val/accuracy": 3, "test/accuracy": 0}
    assert store.record(run_id).metrics["val/accuracy"] == 0.75


def test_the_note_is_one_row_of_what_one_looks_for_first() -> None:
    text = note({"memory/peak_bytes": 1e9, "time/train_seconds": 300.0, "test/accuracy": 0.5})
    assert text.splitlines() == ["| &emsp;test top-1 % | &emsp;train time |", "|---:|---:|", "| 50.00 | 5 min 00 s |"]
    assert note({"memory/peak_bytes": 1e9}) == ""


def test_pictures_are_images_of_the_run_without_taking_their_room_twice(store: Store, tmp_path: Path) -> None:
    run_id = store.start_run("a study", "cell", "mlp s0", tags={})
    folder = pictures(tmp_path / "left", "confusion", "errors", "something")
    store.log_folder(run_id, folder)
    store.log_pictures(run_id, folder)
    store.log_pictures(run_id, folder)
    images = store.artifact(run_id, "images")
    confusion = store.artifact(run_id, "confusion.png")
    assert images is not None and confusion is not None
    names = sorted(path.name.partition("+")[0] for path in images.iterdir())
    assert names == ["pictures~confusion"] * 2 + ["pictures~errors"] * 2
    assert any(path.samefile(confusion) for path in images.iterdir())
    assert store.record(run_id).tags["mlflow.loggedImages"] == "True"
    small = next(path for path in images.iterdir() if path.suffix == ".webp")
    with Image.open(small) as picture:
        assert picture.size == (256, 154)


def test_names_are_those_that_mlflow_gives_itself(store: Store, tmp_path: Path) -> None:
    ours, theirs = (store.start_run("a study", "cell", name, tags={}) for name in ("ours", "theirs"))
    folder = pictures(tmp_path / "left", "confusion")
    store.log_folder(ours, folder)
    store.log_pictures(ours, folder)
    with Image.open(folder / "confusion.png") as picture:
        store.client.log_image(theirs, picture, key="pictures/confusion", step=0, synchronous=True)
    found = []
    for run_id in (ours, theirs):
        images = store.artifact(run_id, "images")
        assert images is not None
        found.append(sorted((path.name.split("+")[:4], path.suffix) for path in images.iterdir()))
    assert found[0] == found[1]


def test_a_moved_home_finds_its_artifacts_by_the_runs_it_has_read(store: Store, tmp_path: Path) -> None:
    run_id = store.start_run("a study", "cell", "mlp s0", tags={})
    store.log_text(run_id, "text", "a.txt")
    moved = open_store(store.home.rename(tmp_path / "moved"))
    assert [record.run_id for record in moved.records("a study")] == [run_id]
    path = moved.artifact(run_id, "a.txt")
    assert path is not None and path.is_relative_to(tmp_path / "moved")
