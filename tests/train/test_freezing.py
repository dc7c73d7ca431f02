from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from tests.train.conftest import Diary, Pruned, assert_same_bits, classifier, pictures, recipe

DATA = pictures(64)
FREEZE = [{"parameters": "0.*", "epochs": 1}]


def weights_by_epoch(freeze: list[dict[str, object]], epochs: int = 3) -> list[dict[str, list[float]]]:
    """Return the weights after each number of epochs, from one fit that is cut off and one a number."""
    found = []
    for last in range(epochs + 1):
        trained = classifier(recipe(epochs=epochs, freeze=freeze, schedule={"name": "constant"}))
        if last:
            with pytest.raises(Pruned):
                trained.fit(DATA, None, Diary(stop_at=last))
        found.append({name: value.flatten().tolist() for name, value in trained.network.named_parameters()})
    return found


def test_a_frozen_parameter_stays_after_its_epochs_and_others_move_on() -> None:
    before, first, second, third = weights_by_epoch(FREEZE)
    assert before["0.weight"] != first["0.weight"]
    assert first["0.weight"] == second["0.weight"] == third["0.weight"]
    assert first["6.weight"] != second["6.weight"] != third["6.weight"]


def test_no_epochs_freeze_from_the_start() -> None:
    before, *_, last = weights_by_epoch([{"parameters": "[01].*", "epochs": 0}])
    assert before["0.weight"] == last["0.weight"]
    assert before["1.bias"] == last["1.bias"]
    assert before["6.bias"] != last["6.bias"]


def test_the_earliest_end_of_several_counts() -> None:
    _, first, second, _ = weights_by_epoch(
        [{"parameters": "*.bias", "epochs": 2}, *FREEZE, {"parameters": "0.*", "epochs": 2}]
    )
    assert first["0.weight"] == second["0.weight"]
    assert first["6.bias"] != second["6.bias"]


def test_frozen_parameters_are_parameters_all_the_same() -> None:
    trained = classifier(recipe(freeze=FREEZE))
    before = trained.parameter_count()
    trained.fit(DATA, None, Diary())
    assert trained.parameter_count() == before


def test_a_resumed_fit_freezes_alike(tmp_path: Path) -> None:
    settings, path = recipe(epochs=3, freeze=FREEZE), tmp_path / "checkpoint.pt"
    whole = classifier(settings)
    whole.fit(DATA, None, Diary())
    with pytest.raises(Pruned):
        classifier(settings, checkpoint=path).fit(DATA, None, Diary(stop_at=2))
    resumed = classifier(settings, checkpoint=path)
    resumed.fit(DATA, None, Diary())
    assert_same_bits(whole, resumed)


def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        InputError, match=r'recipe.freeze.0.parameters: "0.wieght" matches no .*; did you mean "0.weight"'
    ):
        classifier(recipe(freeze=[{"parameters": "0.wieght"}])).fit(DATA, None, Diary())


def test_freezing_everything_is_refused() -> None:
    with pytest.raises(InputError, match="every parameter"):
        classifier(recipe(freeze=[{"parameters": "*", "epochs": 1}])).fit(DATA, None, Diary())


def test_a_normalization_that_is_frozen_with_its_weights_does_not_move() -> None:
    trained = classifier(recipe(epochs=2, freeze=[{"parameters": "1.*", "epochs": 0}]))
    before = {name: each.clone() for name, each in trained.network.named_buffers() if name.startswith("1.running")}
    trained.fit(DATA, None, Diary())
    after = dict(trained.network.named_buffers())
    assert before
    assert all(after[name].equal(each) for name, each in before.items())


def test_what_is_never_trained_counts_as_parameters_in_all_only() -> None:
    whole, frozen = classifier(recipe()), classifier(recipe(freeze=[{"parameters": "0.*", "epochs": 0}]))
    kernel = sum(each.numel() for each in frozen.network.get_submodule("0").parameters())
    assert frozen.parameter_count() == whole.parameter_count() - kernel
    assert frozen.total_parameter_count() == whole.total_parameter_count()
