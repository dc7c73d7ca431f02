"""Cells that ran out of memory and were fitted in micro-batches: said wherever a figure is trusted."""

from __future__ import annotations

from pathlib import Path

from harness.execute.work import MICRO_BATCH as WRITTEN
from harness.report import write_report
from harness.report.store import gather
from harness.report.variants import MICRO_BATCH, QUESTION, experiment_variants, micro_batches_answer, notes_of
from tests.report.studies import STUDY, KeptStore, cell_of, plan_of


def kept(store: KeptStore, **sizes: str) -> None:
    """Keep two seeds of an experiment, each with the images of its micro-batches, empty for whole batches."""
    cells = [cell_of("vgg", seed) for seed in range(len(sizes))]
    store.keep(plan_of(*cells))
    for planned, size in zip(cells, sizes.values(), strict=True):
        store.finish(planned, 0.9, 0.9, tags={WRITTEN: size} if size else {})


def test_the_tag_is_the_one_that_runs_are_given() -> None:
    assert f"harness.{MICRO_BATCH}" == WRITTEN


def test_cells_in_micro_batches_are_named_with_what_that_means(store: KeptStore, tmp_path: Path) -> None:
    kept(store, first="64", second="", third="32")
    written = write_report(store, STUDY, tmp_path)
    for text in (written.html.read_text(), written.markdown.read_text()):
        assert QUESTION in text
        assert "vgg s0 (64 images of batches of 128); vgg s2 (32 images of batches of 128)" in text
        assert "batch normalization, where a network has it, saw one micro-batch at a time" in text
        assert "vgg: 2 cells in micro-batches of 64 or 32 images, for want of memory (seed 0, 2)" in text


def test_where_all_batches_were_whole_nothing_is_said(store: KeptStore, tmp_path: Path) -> None:
    kept(store, first="", second="")
    assert "micro-batch" not in write_report(store, STUDY, tmp_path).html.read_text()


def test_a_failed_cell_has_no_figure_to_be_wary_of(store: KeptStore) -> None:
    kept(store, first="64")
    run = store.cells["vgg_s0"][0]
    object.__setattr__(run, "status", "FAILED")
    findings = gather(store, STUDY)
    assert micro_batches_answer(findings.entries) == ""
    assert not any("micro-batch" in note for note in notes_of(experiment_variants(findings)[0]))
