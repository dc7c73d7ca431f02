from __future__ import annotations

import pytest

from harness.matrix import Study, flatten
from tests.matrix.conftest import Complain, Load

BASE = """\
experiments:
  a: {model: net_a, recipe: {augment: [mirror], label_smoothing: 0.1}}
ablations:
  parts:
    base: a
"""
SWITCH = "    switch: {mirror: {recipe.augment: []}, norm: {model.norm: none}, smooth: {recipe.label_smoothing: 0.0}}\n"


def row(study: Study, label: str) -> dict[str, object]:
    (found,) = [each for each in study.cells if any(place.label == label for place in each.places)]
    cell = flatten(found.cell)
    return {name: cell[name] for name in ("recipe.augment", "model.norm", "recipe.label_smoothing")}


def test_leave_one_out_takes_one_part_away_in_each_row(load: Load) -> None:
    study = load(BASE + SWITCH)
    (ablation,) = study.ablations
    assert ablation.rows == ("base", "- mirror", "- norm", "- smooth")
    whole = {"recipe.augment": "mirror", "model.norm": "batch", "recipe.label_smoothing": 0.1}
    assert row(study, "base") == whole
    assert row(study, "- norm") == {**whole, "model.norm": "none"}
    assert [each.name for each in study.cells] == ["a s0", "parts - mirror s0", "parts - norm s0", "parts - smooth s0"]


def test_cumulative_begins_with_nothing_and_ends_at_the_base(load: Load) -> None:
    study = load(BASE + SWITCH + "    order: cumulative\n")
    assert study.ablations[0].rows == ("none", "+ mirror", "+ norm", "+ smooth")
    assert row(study, "none") == {"recipe.augment": "", "model.norm": "none", "recipe.label_smoothing": 0.0}
    assert row(study, "+ norm") == {"recipe.augment": "mirror", "model.norm": "batch", "recipe.label_smoothing": 0.0}
    assert [place.label for place in study.cells[0].places] == ["", "+ smooth"]


def test_a_row_that_is_a_cell_already_is_one_cell_with_two_places(load: Load) -> None:
    text = BASE.replace("  a:", "  plain: {model: {name: net_a, norm: none}}\n  a:") + SWITCH
    text = text.replace(
        "{model: {name: net_a, norm: none}}",
        "{model: {name: net_a, norm: none}, recipe: &r {augment: [mirror], label_smoothing: 0.1}}",
    )
    study = load(text)
    names = {each.name: [place.experiment for place in each.places] for each in study.cells}
    assert names["plain s0"] == ["plain", "parts"]


def test_the_base_of_an_ablation_is_the_experiment_before_its_matrix(load: Load) -> None:
    text = BASE.replace("0.1}}", "0.1}, matrix: {model.width: [1, 2]}}") + SWITCH
    study = load(text)
    (base,) = [each for each in study.cells if any(place.label == "base" for place in each.places)]
    assert base.cell.model.options["width"] == 8


def test_rows_have_the_seeds_of_their_base(load: Load) -> None:
    text = BASE.replace("{model: net_a", "{seeds: [3, 4], model: net_a") + SWITCH
    assert {each.cell.seed for each in load(text).cells} == {3, 4}


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("", "matrix.yaml:10:5: ablations.parts.switch: is missing"),
        ("    switch: {}\n", "matrix.yaml:11:13: ablations.parts.switch: names nothing to switch off"),
        ("    switch: {x: {}}\n", "matrix.yaml:11:17: ablations.parts.switch.x: sets no path"),
        (
            "    switch: {x: {model.nrm: none}}\n",
            'matrix.yaml:11:18: ablations.parts.switch.x.model.nrm: there is no path "model.nrm"; '
            'did you mean "model.norm"?',
        ),
        (
            "    switch: {x: {model.norm: nine}}\n",
            'matrix.yaml:11:30: ablations.parts.switch.x.model.norm: "nine" is not one of batch, none; '
            'did you mean "none"?',
        ),
        (
            SWITCH + "    order: backwards\n",
            'matrix.yaml:12:12: ablations.parts.order: "backwards" is not one of leave_one_out, cumulative',
        ),
    ],
)
def test_a_wrong_ablation_is_told_where_it_stands(complain: Complain, lines: str, problem: str) -> None:
    assert complain(BASE + lines) == [problem]


def test_base_must_be_an_experiment_and_the_name_must_be_free(complain: Complain) -> None:
    text = BASE.replace("base: a", "base: aa").replace("  parts:", "  a:") + SWITCH
    assert complain(text) == [
        'matrix.yaml:10:5: ablations.a: "a" is an experiment\'s name already',
        'matrix.yaml:10:11: ablations.a.base: there is no experiment "aa"; did you mean "a"?',
    ]
