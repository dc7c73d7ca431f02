"""`--set` and `--only` where there are tuning studies."""

from __future__ import annotations

import pytest

from harness.contracts import Confirm, Tune
from tests.matrix.conftest import SPACE, TUNED, Complain, Load

FILE = TUNED + SPACE + "    objective: {metric: val/accuracy, seeds: 2}\n"
WIDE = (
    TUNED
    + """\
    space:
      recipe.epochs: {low: 1, high: 9}
      recipe.optimizer.name: {choices: [step_a, step_b]}
      recipe.optimizer.beta: {low: 0.1, high: 0.9, when: {recipe.optimizer.name: step_b}}
"""
)
TWO = FILE + "  f: {trials: 2, space: {model.strength: {low: 1, high: 2}}}\n"


def tune(load: Load, *overrides: str) -> Tune:
    return load(FILE, overrides).tune["a"]


def test_set_reaches_the_keys_of_a_tuning_study(load: Load) -> None:
    assert tune(load, "tune.a.trials=5").trials == 5
    assert tune(load, "tune.a.timeout=2m", "tune.a.sampler=random").timeout == 120
    assert tune(load, "tune.a.confirm={top: 2, seeds: [5]}").confirm == Confirm(top=2, seeds=(5,))
    assert tune(load, "tune.a.constraints.model/parameters=50").constraints == {"model/parameters": 50}


def test_set_leaves_the_other_keys_of_a_mapping(load: Load) -> None:
    found = tune(load, "tune.a.objective.metric=val/loss").objective
    assert (found.first.metric, found.first.direction, found.seeds) == ("val/loss", "minimize", 2)


def test_set_finds_a_study_whose_name_has_dots(load: Load) -> None:
    text = FILE.replace("  a: {", "  a.b: {").replace("  a:\n", "  a.b:\n")
    assert load(text, ["tune.a.b.trials=7"]).tune["a.b"].trials == 7


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("tune.a.trials=0", "0 is not a positive whole number"),
        ("tune.a.trails=3", 'tune.a has no "trails"; did you mean "trials"?'),
        ("tune.b.trials=3", 'there is no tuning study "b"; valid: a'),
        ("tune.a=3", "is not of the form tune.NAME.KEY=VALUE"),
        ("tune.a.space={}", "a space cannot be set; change the file"),
        ("tune.a.space.recipe.optimizer.lr.low=1", "a space cannot be set; change the file"),
        ("tune.a.objective.metirc=x", 'unknown key; did you mean "metric"?'),
        ("tune.a.objective.metric=test/loss", '"test/loss": a search sees validation only'),
        ("tune.a.objective.metric.x=1", 'there is nothing below "tune.a.objective.metric"'),
        ("tune.a.trials.x=1", 'there is nothing below "tune.a.trials"'),
        ("tune.a.timeout=2x", '"2x" is not a time such as 2h'),
    ],
)
def test_a_wrong_set_of_a_tuning_study_is_told_as_it_was_given(complain: Complain, override: str, problem: str) -> None:
    (found,) = complain(FILE, [override])
    assert found.startswith(f"--set {override}: {problem}")


def test_set_without_a_tune_section_is_told(complain: Complain) -> None:
    text = "experiments: {a: {model: net_a}}\n"
    assert complain(text, ["tune.a.trials=5"]) == ['--set tune.a.trials=5: there is no tuning study "a"']


def test_set_changes_where_a_search_starts(load: Load) -> None:
    found = tune(load, "recipe.epochs=2")
    assert found.start.recipe is not None
    assert (found.start.recipe.epochs, list(found.space)) == (2, ["recipe.optimizer.lr"])


def test_a_path_that_set_fixes_is_searched_no_more(load: Load) -> None:
    found = load(WIDE, ["recipe.epochs=2"]).tune["a"]
    assert list(found.space) == ["recipe.optimizer.name", "recipe.optimizer.beta"]
    assert found.start.recipe is not None and found.start.recipe.epochs == 2


@pytest.mark.parametrize(
    ("text", "override", "problem"),
    [
        (FILE, "recipe.optimizer.lr=0.5", "leaves nothing to search (matrix.yaml:13:12: tune.a.space)"),
        (
            WIDE,
            "recipe.optimizer.name=step_a",
            "recipe.optimizer.beta is searched when recipe.optimizer.name has a value (matrix.yaml:14:7: tune.a.space)",
        ),
        (
            WIDE,
            "recipe.optimizer.momentum=0.5",
            "not every choice of recipe.optimizer.name has this option (matrix.yaml:15:7: tune.a.space)",
        ),
    ],
)
def test_a_path_that_set_cannot_fix_is_told(complain: Complain, text: str, override: str, problem: str) -> None:
    assert complain(text, [override]) == [f"--set {override}: {problem}"]


@pytest.mark.parametrize(
    ("pattern", "studies", "partial"),
    [
        ("a", ["a"], True),
        ("f", ["f"], True),
        ("[af]", ["a", "f"], False),
        ("*", ["a", "f"], False),
        ("* s0", [], True),
        ("f s0", [], True),
    ],
)
def test_only_keeps_the_tuning_studies_of_the_experiments_that_it_names(
    load: Load, pattern: str, studies: list[str], partial: bool
) -> None:
    found = load(TWO, only=pattern)
    assert (list(found.tune), list(found.marks), found.partial) == (studies, studies, partial)
    assert found.cells


def test_a_tuning_study_left_out_alone_makes_the_study_partial(load: Load) -> None:
    text = "experiments: {f: {model: fit_a}}\ntune: {f: {trials: 2, space: {model.strength: {low: 1, high: 2}}}}\n"
    found = load(text, only="f s0")
    assert (len(found.cells), found.tune, found.partial) == (1, {}, True)


def test_only_that_matches_nothing_lists_what_there_is(complain: Complain) -> None:
    assert complain(TWO, only="zz") == ["--only zz: matches nothing; there are a, f"]
