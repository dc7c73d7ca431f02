from __future__ import annotations

from pathlib import Path

import pytest

from tests.matrix.conftest import HEAD, Complain, Load


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "experiments:\n  a:\n    model: net_a\n    recipe:\n      epochs: 0\n",
            "matrix.yaml:10:15: experiments.a.recipe.epochs: 0 is not a positive whole number",
        ),
        (
            "experiments:\n  a: {model: net_a, recipe: {epohcs: 3}}\n",
            'matrix.yaml:7:30: experiments.a.recipe.epohcs: unknown key; did you mean "epochs"?',
        ),
        (
            "experiments:\n  a: {model: net_aa}\n",
            'matrix.yaml:7:14: experiments.a.model: there is no model "net_aa"; did you mean "net_a"?',
        ),
        (
            "experiments:\n  a: {model: {name: net_a, widht: 3}}\n",
            'matrix.yaml:7:28: experiments.a.model.widht: unknown option of net_a; did you mean "width"?',
        ),
        (
            "experiments:\n  a: {model: fit_a, recipe: {epochs: 3}}\n",
            'matrix.yaml:7:21: experiments.a.recipe: model "fit_a" takes no recipe',
        ),
        (
            "experiments:\n  a: {model: net_a, recipe: {augment: [{shift: {mode: wrap}}]}}\n",
            'matrix.yaml:7:55: experiments.a.recipe.augment[0].shift.mode: "wrap" is not one of zeros, reflect',
        ),
        (
            "experiments:\n  a: {model: net_a, recipe: {augment: [mirror, mirror]}}\n",
            'matrix.yaml:7:48: experiments.a.recipe.augment[1]: "mirror" is there twice',
        ),
        ("experiments:\n  a: {seeds: [1]}\n", "matrix.yaml:7:3: experiments.a.model: is missing"),
        (
            "experiments:\n  a: {model: net_a, train_on: val}\n",
            'matrix.yaml:7:31: experiments.a.train_on: "val" is not one of train, train+val',
        ),
        (
            "experiments:\n  a: {model: net_a, recipe: {label_smoothing: 1}}\n",
            "matrix.yaml:7:47: experiments.a.recipe.label_smoothing: 1 is not a number below 1",
        ),
        (
            'experiments:\n  a: {model: net_a, recipe: {epochs: "3"}}\n',
            'matrix.yaml:7:38: experiments.a.recipe.epochs: "3" is not a whole number',
        ),
        (
            "experiments:\n  a: {model: net_a, recipe: {epochs: true}}\n",
            "matrix.yaml:7:38: experiments.a.recipe.epochs: true is not a whole number",
        ),
        (
            "experiments:\n  a: {model: net_a, recipe: {gradient_clip: .nan}}\n",
            'matrix.yaml:7:45: experiments.a.recipe.gradient_clip: ".nan" is not a number',
        ),
        (
            "experiments:\n  a: {model: net_a, recipe: {channels_last: no}}\n",
            'matrix.yaml:7:45: experiments.a.recipe.channels_last: "no" is not true or false',
        ),
        (
            "experiments:\n  a: {model: net_a, train_on: train+val, recipe: {early_stopping: {}}}\n",
            "matrix.yaml:7:51: experiments.a.recipe.early_stopping: "
            "train_on: train+val leaves no validation images to choose an epoch by",
        ),
        (
            "experiments:\n  a: {model: net_a, train_on: train+val, recipe: {keep: best}}\n",
            "matrix.yaml:7:51: experiments.a.recipe.keep: "
            "train_on: train+val leaves no validation images to choose an epoch by",
        ),
        (
            "experiments:\n  a: {model: net_a}\n  b: {model: net_a}\n",
            'matrix.yaml:8:3: experiments.b: "b" is the same cell as "a" (matrix.yaml:7:3: experiments.a)',
        ),
        ("experiments: {}\n", "matrix.yaml:6:14: experiments: holds no experiment; write NAME: {model: ...}"),
        (
            "experiments:\n  a: {model: net_a, seeds: [1, 1]}\n",
            "matrix.yaml:7:32: experiments.a.seeds[1]: seed 1 is there twice",
        ),
        (
            "experiments:\n  a: {model: net_a, seeds: []}\n",
            "matrix.yaml:7:28: experiments.a.seeds: an empty list is not a list of seeds, nor how many",
        ),
        (
            "experiments:\n  a: {model: net_a}\nreport: {metric: balanced_acuracy}\n",
            'matrix.yaml:8:18: report.metric: there is no metric to rank by "balanced_acuracy"; '
            'did you mean "balanced_accuracy"?',
        ),
        (
            "experiments:\n  a: {model: net_a}\nreport: {baseline: b}\n",
            'matrix.yaml:8:20: report.baseline: there is no experiment "b"; valid: a',
        ),
        (
            "experiments:\n  a: {model: net_a}\nclaims: [{experiment: a, metric: test/acuracy, value: 0.9}]\n",
            'matrix.yaml:8:34: claims[0].metric: there is no metric "test/acuracy"; did you mean "test/accuracy"?',
        ),
        (
            "experiments:\n  a: {model: net_a}\nbudget: {hours: 0}\n",
            "matrix.yaml:8:17: budget.hours: 0 is not a positive number",
        ),
        (
            "experiments:\n  a: {model: net_a}\nexperimnets: {}\n",
            'matrix.yaml:8:1: experimnets: unknown key; did you mean "experiments"?',
        ),
        (
            "experiments:\n  a: {model: net_a, dataset: {validation: {size: 3, fraction: 0.1}}}\n",
            "matrix.yaml:7:43: experiments.a.dataset.validation: give size or fraction, not both",
        ),
    ],
)
def test_a_mistake_is_one_line_with_position_path_and_what_is_wrong(
    complain: Complain, text: str, problem: str
) -> None:
    assert complain(text) == [problem]


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ("study: s\n", "matrix.yaml:1:1: version: is missing; write version: 1"),
        ("version: 2\nstudy: s\n", "matrix.yaml:1:10: version: 2 is not a version that can be read; valid: 1"),
        ("version: 1\n", "matrix.yaml:1:1: study: is missing"),
        ("version: 1\nstudy: 7\n", "matrix.yaml:2:8: study: 7 is not a name (put it in quotes)"),
    ],
)
def test_version_and_study_are_required(complain: Complain, head: str, problem: str) -> None:
    assert complain("dataset: dots\nexperiments: {a: {model: fit_a}}\n", head=head) == [problem]


def test_a_missing_data_set_is_named(complain: Complain) -> None:
    text = "version: 1\nstudy: s\nexperiments:\n  a: {model: fit_a}\n"
    assert complain(text, head="") == ["matrix.yaml:4:3: experiments.a.dataset: is missing"]


def test_a_file_that_is_no_mapping_is_refused(complain: Complain) -> None:
    (problem,) = complain("- 1\n- 2\n", head="")
    assert problem.startswith("matrix.yaml:1:1: is not a mapping")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(complain: Complain) -> None:
    text = """\
experiments:
  a: {model: net_aa}
  b: {model: net_a, tset: never, seeds: -1}
  c:
    model: net_a
    matrix: {recipe.epocs: [1, 2]}
ablations:
  x: {base: d, switch: {y: {recipe.augment: []}}}
tune:
  e: {trials: 1, space: {}}
budget: {hours: soon}
"""
    problems = complain(text)
    lines = [int(problem.split(":")[1]) for problem in problems]
    assert lines == sorted(lines)
    assert lines == [7, 8, 8, 11, 13, 15, 16]


def test_a_mistake_in_defaults_is_told_once_at_defaults(complain: Complain) -> None:
    head = HEAD.replace("epochs: 5", "epochs: -5")
    problems = complain("experiments:\n  a: {model: net_a}\n  b: {model: net_b}\n", head=head)
    assert problems == ["matrix.yaml:5:20: defaults.recipe.epochs: -5 is not a positive whole number"]


def test_defaults_that_reach_no_experiment_are_checked_too(complain: Complain) -> None:
    head = HEAD.replace("epochs: 5", "epochs: -5")
    assert len(complain("experiments:\n  a: {model: fit_a}\n", head=head)) == 1


def test_an_error_in_an_extended_file_points_into_that_file(complain: Complain, load: Load, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    base = HEAD + "experiments:\n  a: {model: net_a, recipe: {epochs: 0}}\n"
    (tmp_path / "sub" / "base.yaml").write_text(base)
    problems = complain("extends: sub/base.yaml\nbudget: {hours: 0}\n", head="")
    assert problems == [
        "matrix.yaml:2:17: budget.hours: 0 is not a positive number",
        "sub/base.yaml:7:38: experiments.a.recipe.epochs: 0 is not a positive whole number",
    ]


def test_files_that_extend_each_other_are_refused(complain: Complain, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("extends: matrix.yaml\n")
    (problem,) = complain("extends: other.yaml\n")
    assert problem == "other.yaml:1:10: extends: matrix.yaml extends this file in turn"


def test_a_missing_extended_file_is_named(complain: Complain) -> None:
    assert complain("extends: gone.yaml\n") == ["matrix.yaml:6:10: extends: there is no file gone.yaml"]
