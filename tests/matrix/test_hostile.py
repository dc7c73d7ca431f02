"""Matrix files that mean harm, or are slips of the pen: an answer at once, with its place, and nothing started."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest

from harness.errors import MatrixError
from harness.matrix import load_study
from harness.plugins import Catalog
from tests.matrix.conftest import HEAD, Complain, Load


def refused(path: Path, catalog: Catalog) -> str:
    with pytest.raises(MatrixError) as error:
        load_study(path, catalog)
    return str(error.value)


def test_a_pipe_and_a_device_are_not_read(tmp_path: Path, catalog: Catalog) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        assert refused(path, catalog) == f"{path}: cannot be read: it is no regular file"


def test_a_file_that_is_extended_is_a_regular_one(complain: Complain, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (problem,) = complain("", head="version: 1\nstudy: s\nextends: pipe.yaml\n")
    assert problem == "matrix.yaml:3:10: extends: there is no file pipe.yaml"


def test_a_file_of_megabytes_is_refused_at_once(tmp_path: Path, catalog: Catalog) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(HEAD + "experiments:\n" + "  # nothing\n" * 500_000)
    assert refused(path, catalog) == f"{path}: is larger than 5 MB"


def test_an_alias_counts_as_all_that_it_stands_for(complain: Complain) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    begun = time.process_time()
    assert complain("", head="\n".join(lines) + "\n") == ["matrix.yaml:6:8: too large or too deeply nested"]
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_what_is_nested_without_an_end_is_told(complain: Complain, text: str) -> None:
    (problem,) = complain("", head=text)
    assert "too deeply nested" in problem or "is not YAML" in problem


@pytest.mark.parametrize("number", ["1000000000000000000000", "0x1" + "0" * 40, "1" + "0" * 300, "1" + "0" * 5000])
def test_a_whole_number_that_nothing_counts_to_is_none(complain: Complain, number: str) -> None:
    text = f"experiments: {{a: {{model: net_a, recipe: {{batch_size: {number}}}}}}}\n"
    (problem,) = complain(text)
    assert problem.startswith("matrix.yaml:6:54: experiments.a.recipe.batch_size: ")
    assert problem.endswith("is not a whole number")


def test_a_large_number_that_is_none_of_a_count_is_taken(load: Load) -> None:
    study = load("experiments: {f: {model: {name: fit_a, strength: 1000000000000000000000}}}\n")
    assert study.cells[0].cell.model.options["strength"] == 1e21


def test_a_seed_is_a_number_that_can_be_drawn_from(complain: Complain) -> None:
    (problem,) = complain(f"seeds: [{2**63}]\nexperiments: {{f: {{model: fit_a}}}}\n")
    assert problem.startswith("matrix.yaml:6:9: seeds[0]: ")
    assert "is not a seed" in problem


def test_thousands_of_seeds_and_experiments_take_seconds(load: Load) -> None:
    begun = time.process_time()
    assert len(load(f"seeds: {list(range(10_000))}\nexperiments: {{f: {{model: fit_a}}}}\n").cells) == 10_000
    lines = [f"  e{number}: {{model: {{name: fit_a, strength: {number}}}}}\n" for number in range(1, 2_001)]
    assert len(load("experiments:\n" + "".join(lines)).cells) == 2_000
    assert time.process_time() - begun < 15


LINES = "".join(f"  e{number}: {{model: {{name: fit_a, strength: {number}}}}}\n" for number in range(1, 20_001))
SIXTH = ", ".join(map(str, range(1, 101)))
LARGE = {
    "seeds": (f"seeds: {list(range(100_000))}\nexperiments: {{f: {{model: fit_a}}}}\n", 100_000),
    "experiments": (f"experiments:\n{LINES}", 20_000),
    "axes": (
        f"seeds: 5\nexperiments: {{n: {{model: net_a, matrix: {{model.width: [{SIXTH}], recipe.epochs: [{SIXTH}], "
        "recipe.label_smoothing: [0.0, 0.1]}}}\n",
        100_000,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", LARGE)
def test_the_largest_files_take_less_than_twenty_seconds(load: Load, shape: str) -> None:
    text, cells = LARGE[shape]
    begun = time.process_time()
    assert len(load(text).cells) == cells
    assert time.process_time() - begun < 20


@pytest.mark.slow
def test_four_times_as_many_take_about_four_times_as_long(load: Load) -> None:
    taken = []
    for count in (1_000, 4_000):
        begun = time.process_time()
        load(f"seeds: 2\nexperiments:\n{''.join(LINES.splitlines(keepends=True)[:count])}")
        taken.append(time.process_time() - begun)
    assert taken[1] < 7 * taken[0]


@pytest.mark.parametrize("experiments", [1, 3])
def test_more_variants_than_anybody_waits_for_are_refused_at_once(complain: Complain, experiments: int) -> None:
    axes = f"{{model.width: [{SIXTH}], recipe.epochs: [{SIXTH}], recipe.label_smoothing: [0.0, 0.1, 0.2]}}"
    few = "e: {model: net_a}, f: {model: {name: net_a, width: 7}}, "
    begun = time.process_time()
    lines = complain(f"experiments: {{{few if experiments == 3 else ''}n: {{model: net_a, matrix: {axes}}}}}\n")
    assert len(lines) == 1
    assert lines[0].endswith("makes more than 20,000 variants, those of the experiments above counted")
    assert time.process_time() - begun < 5


def test_more_cells_than_anybody_waits_for_are_refused_at_once(complain: Complain) -> None:
    begun = time.process_time()
    (problem,) = complain(
        "seeds: 10000\nexperiments: {a: {model: net_a, matrix: {model.width: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}}}\n"
    )
    assert problem == "matrix.yaml:7:1: experiments: make 110,000 cells, all seeds counted; at most 100,000"
    assert time.process_time() - begun < 5


def test_garbage_is_collected_again_once_a_file_is_read(load: Load, complain: Complain) -> None:
    load("experiments: {f: {model: fit_a}}\n")
    complain("experiments: {f: {model: fit}}\n")
    assert gc.isenabled()
