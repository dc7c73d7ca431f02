from __future__ import annotations

import csv
import errno
import re
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from harness.contracts import Ablation, Claim, Place, ReportSettings
from harness.measure.predictions import write_confusion
from harness.report import write_report
from harness.report.blocks import Charts
from harness.report.context import context_of
from harness.report.sections.confusions import all_confusions
from harness.report.sections.results import section
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of

NASTY = 'a|b <script>alert("x")</script> *c*'


class Page(HTMLParser):
    """Tags with their attributes, and the text of each table cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self._open = False
        self._skipped = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"td", "th"}:
            self.cells.append("")
            self._open = True
        self._skipped |= tag == "span" and dict(attrs).get("class") == "runs"

    def handle_endtag(self, tag: str) -> None:
        self._skipped &= tag != "span"
        self._open = self._open and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        if self._open and not self._skipped:
            self.cells[-1] += data.replace("\u00a0", " ")

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def study(store: KeptStore) -> KeptStore:
    """Everything a report can hold: two experiments, an ablation, a claim, a failed cell, copies across splits."""
    rows = ("base", "- crop")
    base = (Place(experiment="parts", label="base"),)
    mlp = [cell_of("mlp", seed, more=base) for seed in (0, 1)]
    others = [cell_of("parts", 0, "- crop"), cell_of("hog", recipe=False), cell_of("broken")]
    plan = plan_of(
        *mlp,
        *others,
        ablations=(Ablation(name="parts", base="mlp", order="leave_one_out", rows=rows),),
        claims=(Claim(experiment="mlp", metric="test/accuracy", value=0.52, source=NASTY),),
        report=ReportSettings(baseline="hog"),
    )
    store.keep(plan).keep_leakage(exact=1)
    for planned, accuracy in zip(mlp, (0.512345678, 0.53), strict=True):
        store.finish(planned, accuracy, accuracy - 0.01)
    store.finish(others[0], 0.45, 0.44)
    store.finish(others[1], 0.6, 0.59, epochs=False)
    store.fail(others[2], NASTY)
    return store


def test_all_files_are_written_and_written_again_the_same(study: KeptStore, tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "study"
    written = write_report(study, STUDY, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in before if path.parent == folder} == {
        "index.html",
        "results.md",
        "results.csv",
        "cells.csv",
        "results.tex",
    }
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "results.svg",
        "ablation-parts.svg",
        "curves-validation-accuracy.svg",
        "curves-mlp-loss.svg",
        "curves-mlp-accuracy.svg",
        "curves-parts-crop-loss.svg",
        "curves-parts-crop-accuracy.svg",
        "class-f1.svg",
        "confusion-mlp.svg",
        "confusion-parts-crop.svg",
        "confusion-hog.svg",
        "cost-time.svg",
        "cost-parameters.svg",
    }
    assert write_report(study, STUDY, folder) == written
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_pictures_of_experiments_that_are_gone_are_taken_away(study: KeptStore, tmp_path: Path) -> None:
    stale, own = tmp_path / "figures" / "curves-old.png", tmp_path / "figures" / "mine.png"
    stale.parent.mkdir()
    for path in (stale, own):
        path.touch()
    write_report(study, STUDY, tmp_path)
    assert (stale.exists(), own.exists()) == (False, True)
    study.cells["hog_s0"] = []
    assert (tmp_path / "figures" / "confusion-hog.svg").exists()
    write_report(study, STUDY, tmp_path)
    assert not (tmp_path / "figures" / "confusion-hog.svg").exists()
    assert own.exists()


def test_charts_whose_names_would_be_one_file_are_numbered(store: KeptStore, tmp_path: Path) -> None:
    cells = [cell_of("mlp", label=label) for label in ("a b", "a-b")]
    store.keep(plan_of(*cells))
    for planned in cells:
        store.finish(planned, 0.5)
    text = write_report(store, STUDY, tmp_path / "report").markdown.read_text()
    names = {path.name for path in (tmp_path / "report" / "figures").iterdir()}
    assert names >= {"confusion-mlp-a-b.svg", "confusion-mlp-a-b-2.svg"}
    assert "(<figures/confusion-mlp-a-b-2.svg>)" in text


def test_every_picture_that_markdown_refers_to_exists(study: KeptStore, tmp_path: Path) -> None:
    written = write_report(study, STUDY, tmp_path)
    paths = re.findall(r"!\[[^\]]+\]\(<?([^)>]+)>?\)", written.markdown.read_text())
    assert len(paths) == 13
    assert all((tmp_path / path).is_file() for path in paths)


def test_markdown_html_and_csv_agree(study: KeptStore, tmp_path: Path) -> None:
    written = write_report(study, STUDY, tmp_path)
    markdown, page = written.markdown.read_text(), Page(written.html.read_text())
    with written.results.open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["name"] == "mlp" and row["section"] == "experiment")
    mean, deviation = float(row["test/accuracy mean"]), float(row["test/accuracy std"])
    assert mean == pytest.approx((0.512345678 + 0.53) / 2, abs=1e-15)
    assert deviation == pytest.approx(np.std([0.512345678, 0.53], ddof=1), abs=1e-15)
    shown = f"{mean * 100:.2f} ± {deviation * 100:.2f}"
    assert f"| mlp | {shown} |" in markdown
    assert shown in page.cells
    lines = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    plain = {text.replace("\\", "").replace("&lt;", "<").replace("`", "").strip() for line in lines for text in line}
    assert plain - {text.strip() for text in page.cells} == set()


def test_csv_has_a_row_a_variant_with_what_varies_and_a_row_a_cell(study: KeptStore, tmp_path: Path) -> None:
    written = write_report(study, STUDY, tmp_path)
    with written.results.open(newline="") as file:
        results = list(csv.DictReader(file))
    sections = [(row["section"], row["name"]) for row in results]
    assert sections == [
        ("experiment", "mlp"),
        ("experiment", "hog"),
        ("experiment", "broken"),
        ("ablation", "parts base"),
        ("ablation", "parts - crop"),
    ]
    assert results[1]["model.name"] == "hog"
    assert (results[2]["test/accuracy n"], results[2]["test/accuracy mean"]) == ("0", "")
    with written.cells.open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert [row["state"] for row in cells] == ["done", "done", "done", "done", "failed"]
    assert float(cells[0]["test/accuracy"]) == 0.512345678
    assert cells[0]["run_id"] == "run-mlp_s0"


def test_the_page_is_marked_up_for_all_readers(study: KeptStore, tmp_path: Path) -> None:
    page = Page(write_report(study, STUDY, tmp_path).html.read_text())
    assert page.named("html")[0]["lang"] == "en"
    assert len(page.named("caption")) == len(page.named("table"))
    assert all(each.get("scope") in {"row", "col"} for each in page.named("th"))
    assert all(each.get("aria-label") for each in page.named("svg"))
    assert all(each.get("alt") for each in page.named("img"))


def test_names_and_errors_are_shown_as_text_not_as_markup(study: KeptStore, tmp_path: Path) -> None:
    written = write_report(study, STUDY, tmp_path)
    assert "<script>alert" not in written.html.read_text()
    assert "a\\|b &lt;script>" in written.markdown.read_text()
    assert NASTY in Page(written.html.read_text()).cells


def test_a_warning_is_the_first_line(study: KeptStore, tmp_path: Path) -> None:
    assert study.kept_plan is not None
    study.keep(study.kept_plan.model_copy(update={"partial": True}))
    written = write_report(study, STUDY, tmp_path)
    assert written.markdown.read_text().startswith("> **For testing only: ")
    body = written.html.read_text().partition("<body>")[2].strip()
    assert body.startswith('<p class="banner" role="note">For testing only: ')


def test_a_study_without_a_finished_cell_has_a_report(store: KeptStore, tmp_path: Path) -> None:
    store.keep(plan_of(cell_of("mlp")))
    written = write_report(store, STUDY, tmp_path / "report")
    assert "nothing to compare" in written.html.read_text()
    assert "0/1 (1 missing)" in written.markdown.read_text()


def test_a_hundred_classes_keep_the_page_small(store: KeptStore, tmp_path: Path) -> None:
    planned = cell_of("mlp")
    run = store.keep(plan_of(planned)).finish(planned, 0.5)
    few = write_report(store, STUDY, tmp_path / "report").html.read_text()
    counts = np.random.default_rng(0).integers(0, 9, (100, 100))
    write_confusion(counts, [f"class {i}" for i in range(100)], store.folder / run.run_id / "confusion.csv")
    html = write_report(store, STUDY, tmp_path / "report").html.read_text()
    assert len(html) - len(few) < 70_000
    assert "data:image/png;base64," in html


def test_a_floor_far_below_does_not_press_the_others_together(store: KeptStore) -> None:
    accuracies = {"majority": 0.1, "mlp": 0.9, "cnn": 0.91, "vgg": 0.92}
    cells = {name: cell_of(name) for name in accuracies}
    store.keep(plan_of(*cells.values()))
    for name, planned in cells.items():
        store.finish(planned, accuracies[name])
    (charts,) = (block for block in section(context_of(store, STUDY)).blocks if isinstance(block, Charts))
    svg = charts.charts[0].svg()
    assert "below the axis: 10.00 %" in svg
    assert re.search(r">90(\.0)?</text>", svg) and not re.search(r">20(\.0)?</text>", svg)


def test_pictures_of_experiments_come_first_and_ranked(study: KeptStore) -> None:
    found = all_confusions(context_of(study, STUDY))
    assert [each.variant.name for each in found] == ["hog", "mlp", "parts - crop"]


def test_several_reports_at_once_are_each_whole(study: KeptStore, tmp_path: Path) -> None:
    write_report(study, STUDY, tmp_path / "alone")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: write_report(study, STUDY, tmp_path / "together"), range(3)))
    assert files_below(tmp_path / "together") == files_below(tmp_path / "alone")


def test_a_report_that_cannot_be_written_leaves_the_earlier_one_and_nothing_half(
    study: KeptStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(study, STUDY, tmp_path / "report")
    earlier, write = files_below(tmp_path / "report"), Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "index.html" in path.name:
            write(path, content[:100])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(study, STUDY, tmp_path / "report")
    assert files_below(tmp_path / "report") == earlier


def test_what_an_earlier_report_had_beside_it_is_removed(study: KeptStore, tmp_path: Path) -> None:
    folder = write_report(study, STUDY, tmp_path / "report").folder
    (folder / "figures" / "curves-old.svg").write_text("drawn by an earlier version")
    (folder / "notes.csv").write_text("ours")
    write_report(study, STUDY, folder)
    assert not (folder / "figures" / "curves-old.svg").exists()
    assert (folder / "notes.csv").exists()


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
