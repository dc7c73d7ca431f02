"""What a file asks for in vain is told with its place, and refused nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.matrix import load_study, remarks_of
from harness.plugins import Catalog
from tests.matrix.conftest import Load

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def test_milestones_that_are_not_written_are_told_of_where_their_schedule_stands(load: Load) -> None:
    (line,) = remarks_of(load("experiments:\n  a: {model: net_a, recipe: {schedule: stairs}}\n"))
    place = "matrix.yaml:7:40: experiments.a.recipe.schedule.milestones"
    assert line == f"{place}: 30 and 60 are never reached: training ends after 5 epochs"


def test_each_remark_stands_where_its_value_is_written(load: Load) -> None:
    text = """\
experiments:
  a:
    model: net_a
    recipe:
      schedule: {name: stairs, milestones: [3, 9], warmup_epochs: 7}
"""
    start, end = "matrix.yaml:10:{}: experiments.a.recipe.schedule.{}: ", "training ends after 5 epochs"
    assert remarks_of(load(text)) == (
        start.format(44, "milestones") + f"9 is never reached: {end}",
        start.format(67, "warmup_epochs") + f"the learning rate never reaches its full height: {end}",
    )


def test_a_batch_larger_than_the_data_is_told_once_for_all_seeds_where_the_images_are_known(load: Load) -> None:
    text = "seeds: 3\nexperiments:\n  a: {model: net_a, recipe: {batch_size: 400}}\n  f: {model: fit_a}\n"
    study = load(text)
    assert remarks_of(study) == ()
    assert remarks_of(study, lambda _cell: 400) == ()
    assert remarks_of(study, lambda _cell: 399) == (
        "matrix.yaml:8:42: experiments.a.recipe.batch_size: a batch of 400 is never full: "
        "there are 399 training images, so each epoch is one step",
    )


def test_a_remark_on_what_set_gives_names_the_option(load: Load) -> None:
    study = load("experiments:\n  a: {model: net_a}\n", ["recipe.schedule.warmup_epochs=9"])
    (line,) = remarks_of(study)
    assert line.startswith("--set recipe.schedule.warmup_epochs=9: the learning rate never reaches")


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_our_own_experiments_ask_for_nothing_in_vain(path: Path) -> None:
    assert remarks_of(load_study(path, Catalog())) == ()
