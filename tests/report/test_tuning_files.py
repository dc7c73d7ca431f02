from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from harness.report import write_report
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of
from tests.report.test_files import Page
from tests.report.tunings import (
    ACCURACY,
    PARAMETERS,
    confirmed,
    final_cell,
    keep_tuning,
    search,
    trial_of,
    tune_of,
    tuning_of,
)

BEST = "version: 1\nstudy: a-study-best\n"
NASTY = 'x"><script>alert(1)</script>'


def kept(folder: Path) -> KeptStore:
    """Return a store with a tuned mlp, its winner's final fit, and a search for small-vgg with two goals."""
    store, final = KeptStore(folder / "artifacts"), final_cell()
    mlp, vgg = cell_of("mlp"), cell_of("small-vgg")
    store.keep(plan_of(mlp, vgg, tune={"mlp": tune_of(), "small-vgg": tune_of()})).finish(mlp, 0.6, 0.61)
    store.finish(final, 0.65, 0.66)
    keep_tuning(store, confirmed(search()).model_copy(update={"final": final}), BEST)
    keep_tuning(store, search(30, seed=1, goals=(ACCURACY, PARAMETERS), experiment="small-vgg"))
    return store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report's folder, written once: drawing takes its time."""
    folder = tmp_path_factory.mktemp("tuning")
    return write_report(kept(folder), STUDY, folder / "report").folder


def test_the_report_has_the_winners_file_every_trial_and_the_pictures(folder: Path) -> None:
    assert (folder / "best-mlp.yaml").read_text() == BEST
    assert not (folder / "best-small-vgg.yaml").exists()
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    assert [row["experiment"] for row in rows].count("mlp") == 40
    (winner,) = (row for row in rows if row["winner"] == "True")
    assert float(winner["confirmed mean"]) < float(winner["val/accuracy"])
    drawn = {path.name for path in (folder / "figures").iterdir()}
    assert drawn >= {"search-small-vgg-history.svg", "search-small-vgg-parallel.svg", "search-mlp-history.svg"}
    assert any(name.startswith("search-small-vgg-front-") for name in drawn)


def test_what_an_earlier_report_had_of_tuning_goes(store: KeptStore, tmp_path: Path) -> None:
    store.keep(plan_of(cell_of("mlp"), tune={"mlp": tune_of()}))
    keep_tuning(store, tuning_of(trial_of(0), trial_of(1, state="pruned", epochs={1: 0.3})), BEST)
    write_report(store, STUDY, tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} >= {"best-mlp.yaml", "trials.csv", "search-mlp-history.svg"}
    del store.matrices[1]
    write_report(store, STUDY, tmp_path)
    assert not {path.name for path in tmp_path.rglob("*")} & {"best-mlp.yaml", "trials.csv", "search-mlp-history.svg"}


def test_markdown_refers_to_pictures_and_files_that_are_there(folder: Path) -> None:
    text = (folder / "results.md").read_text()
    assert "## Tuning" in text and "### small-vgg" in text
    links = re.findall(r"\]\(<(.+?)>\)", text)
    assert "best-mlp.yaml" in links and "figures/search-mlp-history.svg" in links
    assert all((folder / link).is_file() for link in links)


def test_the_page_shows_every_chart_in_words_and_refers_to_files_beside_it_alone(folder: Path) -> None:
    page = Page((folder / "index.html").read_text())
    labels = [picture["aria-label"] or "" for picture in page.named("div") if picture.get("role") == "img"]
    expected = ("validation accuracy of every trial: ", "on the Pareto front", "fANOVA: lr 47 %", "where they led: ")
    for words in expected:
        assert any(words in label for label in labels), words
    links = [link["href"] or "" for link in page.named("a")]
    local = "http://127.0.0.1:5000/#/"
    assert all(link.startswith(("#", local)) or (folder / link).is_file() for link in links)
    runs = {link.partition("/runs/")[2].partition("?")[0] for link in links if link.startswith(local)}
    assert {"study-run-1", "trial-run-0", "confirm-run-2-10"} <= runs


def test_names_from_a_study_cannot_break_out_of_the_page(store: KeptStore, tmp_path: Path) -> None:
    store.keep(plan_of(cell_of("mlp"), tune={NASTY: tune_of()}))
    tuning = search(20).model_copy(update={"experiment": NASTY})
    trials = [
        trial.model_copy(update={"params": dict(trial.params) | {"recipe.optimizer.name": NASTY}})
        for trial in tuning.trials
    ]
    run = keep_tuning(store, tuning.model_copy(update={"trials": tuple(trials), "importances": ()}), f"# {NASTY}\n")
    written = write_report(store, STUDY, tmp_path)
    assert run in written.html.read_text()
    assert "<script>alert" not in written.html.read_text()
