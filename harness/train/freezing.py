"""Parameters that stop to be trained after some epochs."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from harness.contracts import Freeze
from harness.errors import InputError, nearest


class Freezing:
    """Which of a network's trainable parameters are frozen in which epoch; see `Recipe.freeze`.

    Raises:
        InputError: a pattern matches no trainable parameter, or an epoch would train none.
    """

    def __init__(self, network: nn.Module, freezes: Sequence[Freeze]) -> None:
        trainable = {name: each for name, each in network.named_parameters() if each.requires_grad}
        self._epochs: dict[nn.Parameter, int] = {}
        for place, freeze in enumerate(freezes):
            matching = [name for name in trainable if fnmatchcase(name, freeze.parameters)]
            if not matching:
                raise InputError(
                    f'recipe.freeze.{place}.parameters: "{freeze.parameters}" matches no trainable parameter'
                    f"{nearest(freeze.parameters, trainable)}"
                )
            for name in matching:
                former = self._epochs.get(trainable[name], freeze.epochs)
                self._epochs[trainable[name]] = min(former, freeze.epochs)
        if trainable and len(self._epochs) == len(trainable):
            raise InputError("recipe.freeze: every parameter of the network would be frozen; leave one to be trained")

    def begin(self, epoch: int) -> bool:
        """Freeze what is not trained in an epoch (from 1), let the rest be trained; return whether that is a change."""
        changed = False
        for parameter, epochs in self._epochs.items():
            trained = epoch <= epochs
            changed |= parameter.requires_grad != trained
            parameter.requires_grad_(trained)
            if not trained:
                parameter.grad = None
        return changed

    def end(self) -> None:
        """Let everything be trainable again, as it was: what is trained is not what counts as a parameter."""
        for parameter in self._epochs:
            parameter.requires_grad_(True)
