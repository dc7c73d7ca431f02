"""`harness show`: components of every kind by name, and what can be set of them."""

from __future__ import annotations

import json

import pytest

from harness.plugins import KINDS, Catalog
from tests.cli.homes import harness


def test_without_a_name_everything_there_is_is_listed_with_what_it_is() -> None:
    listed = json.loads(harness("show", "--json").stdout)
    catalog = Catalog()
    assert {(each["kind"], each["name"]) for each in listed} == {
        (kind, name) for kind in set(KINDS.values()) for name in catalog.names(kind)
    }
    assert all(each["summary"] for each in listed)


@pytest.mark.parametrize("kind", ["optimizer", "optimizers"])
def test_a_kind_alone_is_listed_by_its_name(kind: str) -> None:
    shown = harness("show", kind).stdout
    assert "adamw" in shown and "cosine" not in shown


@pytest.mark.parametrize("arguments", [("adamw",), ("optimizer", "adamw"), ("optimizers", "adamw")])
def test_a_component_is_found_by_its_name_or_kind_and_name(arguments: tuple[str, ...]) -> None:
    found = json.loads(harness("show", *arguments, "--json").stdout)
    assert (found["kind"], found["name"]) == ("optimizer", "adamw")
    assert found["options"]["weight_decay"] == {
        "values": "number >= 0",
        "default": 0.01,
        "meaning": "Share of each weight (times the learning rate) that a step takes off.",
    }


def test_every_component_can_be_shown_and_every_option_says_what_it_means() -> None:
    catalog = Catalog()
    for kind in ("optimizer", "schedule", "augmentation", "source"):
        for name in catalog.names(kind):
            shown = harness("show", kind, name)
            assert shown.exit_code == 0, name
            options = json.loads(harness("show", kind, name, "--json").stdout)["options"]
            assert all(option["meaning"] and option["values"] for option in options.values()), (kind, name)
            assert all(option in shown.stdout for option in options), name


def test_a_wrong_name_is_told_with_the_nearest_of_any_kind() -> None:
    assert harness("show", "coseine").stderr == 'there is no schedule "coseine"; did you mean "cosine"?\n'
    assert harness("show", "small_cn").stderr == 'there is no model "small_cn"; did you mean "small_cnn"?\n'
    assert harness("show", "optimizer", "cosine").stderr.startswith('there is no optimizer "cosine"; valid: adam, ')
    assert 'did you mean "optimizer"?' in harness("show", "optimiser", "adam").stderr
    assert {harness("show", *each).exit_code for each in (("coseine",), ("optimiser", "adam"))} == {2}


def test_options_are_set_of_models_alone() -> None:
    done = harness("show", "adamw", "--set", "lr=1")
    assert done.exit_code == 2 and "--set" in done.stderr
