"""Several test sets by name: what may be written, and what is told of what may not."""

from pathlib import Path

import pytest

from tests.matrix.conftest import Complain, Load

STUDY = "experiments:\n  e: {{model: net_a, dataset: {{train: t, test: {tests}}}}}\n"


def test_paths_are_relative_to_the_matrix_file_and_the_key_does_not_know_them(load: Load, tmp_path: Path) -> None:
    (several,) = load(STUDY.format(tests="{lab: a/lab, field: /b/field}")).cells
    sets = several.cell.dataset.test_sets
    assert {name: each.options["test"] for name, each in sets.items()} == {
        "lab": str(tmp_path / "a" / "lab"),
        "field": "/b/field",
    }
    assert [*several.cell.dataset.test_splits] == ["test", "test_field"]
    (single,) = load(STUDY.format(tests="a/lab")).cells
    assert single.cell.dataset.test_sets == {"": single.cell.dataset}
    assert sets["lab"] == single.cell.dataset


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("{}", "7:47: experiments.e.dataset.test: names no test set; give a path, or {NAME: path, ...}"),
        ("{Lab: a}", "7:48: experiments.e.dataset.test.Lab: is no name of a test set: a small letter, then"),
        ("{x_tta: a}", "7:48: experiments.e.dataset.test.x_tta: is no name of a test set"),
        ("{lab: 3}", "7:53: experiments.e.dataset.test.lab: 3 is not the path of a test set"),
        ("{lab: null}", "7:53: experiments.e.dataset.test.lab: null is not the path of a test set"),
        ("[a, b]", "7:47: experiments.e.dataset.test: "),
    ],
)
def test_wrong_names_and_paths_are_told(complain: Complain, tests: str, message: str) -> None:
    found = complain(STUDY.format(tests=tests))
    assert any(message in each for each in found), found
