from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import main
from benchmarks.on_gpu.bench import NEEDS_CUDA
from benchmarks.on_gpu.record import read
from benchmarks.on_gpu.rows import SECTIONS
from benchmarks.on_gpu.tables import tables
from tests.benchmarks.conftest import ROOT, Ran, script, write_parquet

pytestmark = pytest.mark.slow

ON_CPU = ("--tiny", "--device", "cpu")


def test_every_row_is_there_in_its_section_and_none_failed(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list"])
    listed = [tuple(line.split(maxsplit=1)) for line in capsys.readouterr().out.splitlines()]
    rows = ran.results.rows
    assert [(row.section, row.name) for row in rows] == listed
    assert {row.section for row in rows} == set(SECTIONS)
    assert {row.state for row in rows} == {"measured", "skipped"}, [row for row in rows if row.state == "failed"]
    assert {row.reason for row in rows if row.state == "skipped"} == {NEEDS_CUDA}
    assert ran.code == 0


def test_what_needs_no_gpu_is_measured(ran: Ran) -> None:
    figures = {(row.section, row.name): row.figures for row in ran.results.rows if row.state == "measured"}
    for model in ("mlp", "tiny_cnn", "small_cnn", "small_vgg", "resnet18", "speednet"):
        found = figures["speed", model]
        assert found.keys() >= {"recorded_rate", "one_by_one_rate", "tutorial_rate", "times_tutorial", "share_of_peak"}
    for name in ("mlp", "hog-svm", "speednet", "speednet-sgd", "speednet-wide", "small-vgg", "resnet18-recipe"):
        assert figures["limits", name].keys() >= {"training_seconds", "target_seconds", "validation_accuracy"}
        assert "test_accuracy" not in figures["limits", name]
    assert figures["limits", "speednet"]["seeds"] == 2
    assert "validation_accuracy_tta" in figures["limits", "speednet"]
    assert figures["correctness", "resumed after a kill"]["ok"]
    assert figures["correctness", "four micro-batches, losses"]["ok"]


def test_the_file_is_read_back_as_it_was_written(ran: Ran, tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    again.write_text(ran.results.model_dump_json())
    assert read(again) == ran.results


def test_the_table_of_the_file_is_what_the_run_ended_with(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--table", str(ran.path)]) == 0
    table = capsys.readouterr().out
    assert ran.said.endswith(table)
    assert table == tables(ran.results)
    assert all(f"| {row.name} |" in table for row in ran.results.rows)
    assert "on a test; no GPU" in table
    assert "figures mean nothing" in table


def test_nothing_of_it_needs_mlflow_or_optuna() -> None:
    missing = "import sys; sys.modules.update(mlflow=None, optuna=None); sys.argv = ['gpu.py', '--list']"
    code = (
        f"{missing}; sys.path[0] = 'benchmarks'; import runpy; runpy.run_path('benchmarks/gpu.py', run_name='__main__')"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "speednet-wide" in finished.stdout


def test_globs_and_sections_choose(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list", "--only", "limits", "--only", "packing", "--rows", "speednet*", "--rows", "small*"])
    names = [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()]
    assert names == ["speednet", "speednet-sgd", "speednet-wide", "small-vgg", "small cells"]


def test_one_goes_on_after_a_row_of_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list", "--after", "limits/small-vgg"])
    assert capsys.readouterr().out.split() == ["limits", "resnet18-recipe", "packing", "small", "cells"]


def test_images_come_from_a_folder_without_its_test_file(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    write_parquet(tmp_path / "train.parquet", 40, seed=0)
    found = _limit_of_mlp(tmp_path)
    assert found.state == "measured"
    assert "test_accuracy" not in found.figures
    call = read(tmp_path / "gpu.json").calls[0]
    assert "as JPEG, not the original images" in call.images
    assert call.command.endswith(f"--data {tmp_path.name} --cache cache --json gpu.json")


def test_the_test_images_are_looked_at_when_asked_for_and_the_row_says_so(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    write_parquet(tmp_path / "train.parquet", 40, seed=0)
    assert _limit_of_mlp(tmp_path, "--test").state == "failed"  # there is no test.parquet
    write_parquet(tmp_path / "test.parquet", 20, seed=1)
    found = _limit_of_mlp(tmp_path, "--test")
    assert found.state == "measured"
    assert "test images were looked at" in found.reason
    assert isinstance(found.figures["test_accuracy"], float)


def _limit_of_mlp(folder: Path, *more: str):  # type: ignore[no-untyped-def]
    path = folder / "gpu.json"
    where = ["--data", str(folder), "--cache", str(folder / "cache"), "--json", str(path)]
    main([*ON_CPU, "--only", "limits", "--rows", "mlp", *where, *more])
    return read(path).rows[0]


def test_what_is_not_a_section_is_refused() -> None:
    finished = script("--only", "sped")
    assert finished.returncode == 2
    assert "sped" in finished.stderr
