from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from harness.report import write_report
from harness.report.tuning_charts import front_charts, history_chart, importance_chart
from harness.report.tuning_lines import parallel_chart, slice_charts
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
    tuning_of,
)

BEST = "version: 1\nstudy: a-study-best\n"
NASTY = 'x"><script>alert(1)</script>'


def kept(folder: Path) -> KeptStore:
    """Return a store with a tuned mlp, its winner's final fit, and a search for small-vgg with two goals."""
    store, final = KeptStore(folder / "artifacts"), final_cell()
    mlp, vgg = cell_of("mlp"), cell_of("small-vgg")
    store.keep(plan_of(mlp, vgg)).finish(mlp, 0.6, 0.61)
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
    assert {path.name for path in (folder / "figures" / "tuning-small-vgg").iterdir()} >= {"pareto.png", "history.png"}


def test_what_an_earlier_report_had_of_tuning_goes(store: KeptStore, tmp_path: Path) -> None:
    store.keep(plan_of(cell_of("mlp")))
    keep_tuning(store, tuning_of(trial_of(0), trial_of(1, state="pruned", epochs={1: 0.3})), BEST)
    write_report(store, STUDY, tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} >= {"best-mlp.yaml", "trials.csv", "history.png"}
    del store.matrices[1]
    write_report(store, STUDY, tmp_path)
    assert not {path.name for path in tmp_path.rglob("*")} & {"best-mlp.yaml", "trials.csv", "history.png"}


def test_markdown_refers_to_pictures_and_files_that_are_there(folder: Path) -> None:
    text = (folder / "results.md").read_text()
    assert "## Tuning" in text and "### small-vgg" in text
    links = re.findall(r"\]\(<(.+?)>\)", text)
    assert "best-mlp.yaml" in links and "figures/tuning-mlp/history.png" in links
    assert all((folder / link).is_file() for link in links)


def test_the_page_shows_every_chart_in_words_and_refers_to_files_beside_it_alone(folder: Path) -> None:
    page = Page((folder / "index.html").read_text())
    labels = [picture["aria-label"] or "" for picture in page.named("svg") if picture.get("role") == "img"]
    expected = ("validation accuracy of 40 trials", "on the Pareto front", "fANOVA: lr 47 %", "across optimizer, lr")
    for words in expected:
        assert any(words in label for label in labels), words
    links = [link["href"] or "" for link in page.named("a")]
    runs = "http://127.0.0.1:5000/#/runs/"
    assert all(link.startswith(("#", runs)) or (folder / link).is_file() for link in links)
    assert {f"{runs}study-run-1", f"{runs}trial-run-0", f"{runs}confirm-run-2-10"} <= set(links)


def test_five_hundred_trials_keep_the_charts_light() -> None:
    tuning = search(500)
    pictures = (history_chart(tuning), parallel_chart(tuning), *(picture for _, picture in slice_charts(tuning)))
    assert sum(map(len, pictures)) < 60_000


def test_charts_of_a_search_without_scores_are_empty() -> None:
    tuning = tuning_of(trial_of(0), trial_of(1, state="running"))
    assert (history_chart(tuning), parallel_chart(tuning)) == ("", "")
    assert (front_charts(tuning), slice_charts(tuning)) == ((), ())


def test_a_pruned_search_has_a_history_but_no_settings_that_led_anywhere() -> None:
    tuning = tuning_of(trial_of(0), trial_of(1, state="pruned", epochs={1: 0.3}))
    assert "1 pruned" in history_chart(tuning)
    assert parallel_chart(tuning) == "" and slice_charts(tuning) == ()


def test_names_from_a_study_cannot_break_out_of_the_page(store: KeptStore, tmp_path: Path) -> None:
    store.keep(plan_of(cell_of("mlp")))
    tuning = search(20).model_copy(update={"experiment": NASTY})
    trials = [
        trial.model_copy(update={"params": dict(trial.params) | {"recipe.optimizer.name": NASTY}})
        for trial in tuning.trials
    ]
    run = keep_tuning(store, tuning.model_copy(update={"trials": tuple(trials), "importances": ()}), f"# {NASTY}\n")
    written = write_report(store, STUDY, tmp_path)
    assert run in written.html.read_text()
    assert "<script>alert" not in written.html.read_text()


def test_kinds_of_trials_are_told_apart_by_shape() -> None:
    picture = history_chart(search())
    shapes = re.findall(r'<path class="mark (\w+)" d="M[\d.-]+ [\d.-]+([^"M]+)', picture)
    assert {kind for kind, _ in shapes} >= {"complete", "duplicate", "infeasible", "pruned", "failed"}
    assert len({shape for _, shape in shapes}) == len({kind for kind, _ in shapes})


def test_the_bars_of_an_evaluator_are_as_long_as_its_shares() -> None:
    tuning = search()
    widths = [
        float(width)
        for width in re.findall(r'class="bar"[^>]* width="([\d.]+)"', importance_chart(tuning.importances[0], tuning))
    ]
    assert widths[1] / widths[0] == pytest.approx(0.2 / 0.52, rel=1e-2)
