"""What a plan finds out about networks before any is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.cell.sizes import Size, plain_task, size_of
from harness.contracts import Freeze, Recipe
from harness.errors import HarnessError
from harness.plugins import Catalog

PLUGIN = '''\
import torch
from torch import nn

from harness.contracts import NetworkModel, Task


class {name}(NetworkModel):
    """A network of a user."""

    def network(self, task: Task) -> nn.Module:
        return {network}
'''
NORMS = "nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.BatchNorm1d(4))"


def said(folder: Path, network: str, recipe: Recipe | None = None, classes: int = 4) -> str:
    """Return why a network of a user cannot be taken for images of 8 x 8 x 3."""
    (folder / "mine.py").write_text(PLUGIN.format(name="Mine", network=network))
    model = Catalog([folder]).realize("model", "mine", {})
    with pytest.raises(HarnessError) as error:
        size_of(model, plain_task((8, 8, 3), classes), recipe)
    return str(error.value)


def test_a_network_that_does_not_take_the_images_is_named_with_their_shape(tmp_path: Path) -> None:
    message = said(tmp_path, "nn.Sequential(nn.Flatten(), nn.Linear(64, 4))")
    assert message.startswith("mine cannot take images of 8 x 8 pixels with 3 channels: RuntimeError: ")


def test_a_network_of_another_number_of_classes_is_told(tmp_path: Path) -> None:
    message = said(tmp_path, "nn.Sequential(nn.Flatten(), nn.Linear(192, 7))")
    assert message == "mine: gives scores of shape [1, 7] for one image, not [1, 4]"


def test_batches_of_one_image_are_told_where_normalization_cannot_learn_from_them(tmp_path: Path) -> None:
    message = said(tmp_path, NORMS, Recipe(batch_size=1))
    assert message.startswith("mine: batch normalization cannot learn from one image at a time")
    assert "recipe.batch_size" in message


def test_freezing_that_matches_nothing_is_told(tmp_path: Path) -> None:
    message = said(tmp_path, NORMS, Recipe(freeze=(Freeze(parameters="layer4.*"),)))
    assert '"layer4.*" matches no trainable parameter' in message


@pytest.mark.parametrize("hidden", [10**12, 10**18])
def test_a_network_beyond_all_memory_is_refused_without_being_made(hidden: int) -> None:
    model = Catalog().realize("model", "mlp", {"hidden": hidden})
    with pytest.raises(HarnessError, match="mlp"):
        size_of(model, plain_task((8, 8, 1), 10))


def test_a_network_that_looks_at_its_values_as_it_is_made_has_a_size_too(tmp_path: Path) -> None:
    network = "nn.Sequential(nn.Flatten(), nn.Linear(192, int(torch.ones(4).sum().item())))"
    (tmp_path / "mine.py").write_text(PLUGIN.format(name="Mine", network=network))
    before = torch.get_rng_state()
    found = size_of(Catalog([tmp_path]).realize("model", "mine", {}), plain_task((8, 8, 3), 4))
    assert found == Size(parameters=193 * 4, flops=2 * 192 * 4)
    assert torch.equal(torch.get_rng_state(), before)
