"""Lookahead against the algorithm by hand, and in a fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from harness.contracts import Lookahead
from harness.train.weights import SlowWeights
from tests.train.conftest import Diary, Pruned, assert_same_bits, classifier, pictures, recipe, without_times

DATA, VALIDATION = pictures(96), pictures(40, seed=1)
LOOKAHEAD = {"every": 4, "decay": 0.5, "power": 1.0}


def test_lookahead_moves_as_in_the_paper() -> None:
    """Zhang et al. 2019, algorithm 1, alpha 0.25: inner steps of 1 upwards, three to a round."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    slow = SlowWeights(network, Lookahead(every=3, decay=0.75, power=0), steps=9)
    expected = 0.0
    for step in range(9):
        with torch.no_grad():
            network.weight += 1
        slow.update(step)
        if step % 3 == 2:
            expected += 0.25 * 3
            assert network.weight.item() == pytest.approx(expected)
    assert slow.network.get_parameter("weight").item() == pytest.approx(2.25)


def test_the_share_that_is_kept_grows_with_the_power_of_the_steps() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    slow = SlowWeights(network, Lookahead(every=1, decay=0.8, power=3), steps=2)
    with torch.no_grad():
        network.weight += 1
    slow.update(0)
    assert network.weight.item() == pytest.approx(1 - 0.8 * 0.5**3)
    with torch.no_grad():
        network.weight.fill_(2)
    slow.update(1)
    assert network.weight.item() == pytest.approx(2 + 0.8 * (0.9 - 2))


def test_the_slow_weights_are_those_that_count() -> None:
    trained = classifier(recipe(lookahead=LOOKAHEAD))
    with trained.begun(DATA, VALIDATION) as (training, _):
        assert training.step.follower is not None
        assert training.evaluated is training.step.follower.network
        assert training.evaluated is not training.step.network


def test_running_statistics_follow_too_and_counts_are_copied() -> None:
    network = nn.BatchNorm1d(2)
    slow = SlowWeights(network, Lookahead(every=1, decay=0.5, power=0), steps=1)
    network(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    before = network.get_buffer("running_mean").clone()
    slow.update(0)
    torch.testing.assert_close(slow.network.get_buffer("running_mean"), before / 2)
    torch.testing.assert_close(network.get_buffer("running_mean"), before / 2)
    assert slow.network.get_buffer("num_batches_tracked").item() == 1


def test_a_resumed_fit_has_the_same_bits(tmp_path: Path) -> None:
    settings, path = recipe(epochs=4, lookahead=LOOKAHEAD), tmp_path / "checkpoint.pt"
    whole = classifier(settings)
    report = whole.fit(DATA, VALIDATION, Diary())
    with pytest.raises(Pruned):
        classifier(settings, checkpoint=path).fit(DATA, VALIDATION, Diary(stop_at=2))
    resumed = classifier(settings, checkpoint=path)
    assert without_times(resumed.fit(DATA, VALIDATION, Diary()).history) == without_times(report.history)
    assert_same_bits(whole, resumed)


def test_two_ways_to_follow_are_refused() -> None:
    with pytest.raises(ValidationError, match="ema and lookahead both say which weights are evaluated"):
        recipe(lookahead=LOOKAHEAD, ema={"decay": 0.9})
