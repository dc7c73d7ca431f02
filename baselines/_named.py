"""What networks of timm and torchvision have in common: the images they want, weights from a file, a frozen body."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from harness.contracts import Task
from harness.errors import InputError

Weights = dict[str, torch.Tensor]
Statistics = tuple[Sequence[float], Sequence[float]]
"""Mean and standard deviation of each channel, of images in [0, 1]."""


class Named(nn.Module):
    """A network by name, with what stands between the task's images and it.

    Attributes:
        body: The network, from images [N, C, H, W] to logits [N, K].
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(
        self,
        body: nn.Module,
        head: Sequence[str],
        tune: Literal["full", "head"],
        size: int | None = None,
        statistics: tuple[Statistics, Statistics] | None = None,
    ) -> None:
        """Take a network.

        Args:
            body: The network.
            head: Names of the modules in it that classify.
            tune: "head" freezes everything else; running statistics of normalizations do not move then.
            size: Height and width that images are resized to (bilinear, antialiased); None leaves them as they are.
            statistics: Those that the task's images are normalized by, and those that the network wants instead.
        """
        super().__init__()
        self.body, self._head, self._size, self._is_frozen = body, tuple(head), size, tune == "head"
        self._is_renormalized = statistics is not None
        if statistics is not None:
            (mean, std), (wanted_mean, wanted_std) = (
                tuple(torch.tensor(each).view(1, -1, 1, 1) for each in pair) for pair in statistics
            )
            self.register_buffer("scale", std / wanted_std)
            self.register_buffer("shift", (mean - wanted_mean) / wanted_std)
        for name, parameter in body.named_parameters():
            parameter.requires_grad_(not self._is_frozen or self.classifies(name))

    def classifies(self, name: str) -> bool:
        """Whether a module or parameter of the body is of its head."""
        return any(name == each or name.startswith(f"{each}.") for each in self._head)

    def without_head(self) -> Named:
        """Let it end before its classifier, so that it gives features [N, D]; return it."""
        for name in self._head:
            self.body.set_submodule(name, nn.Identity())
        return self

    def train(self, mode: bool = True) -> Named:
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        if mode and self._is_frozen:
            for name, module in self.body.named_modules():
                module.training = self.classifies(name)
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits [N, K] of normalized images [N, C, H, W]."""
        if self._size is not None and images.shape[-2:] != (self._size, self._size):
            images = functional.interpolate(images, (self._size, self._size), mode="bilinear", antialias=True)
        if self._is_renormalized:
            images = images * self.scale + self.shift
        logits: torch.Tensor = self.body(images)
        return logits


def statistics_of(
    task: Task, wanted: Statistics, normalize: Literal["dataset", "model"], channels: int
) -> tuple[Statistics, Statistics] | None:
    """Return what `Named` takes: None where the network gets images as the data set's statistics make them.

    Args:
        task: Has the data set's statistics.
        wanted: What published weights were trained with, in three channels.
        normalize: Which of the two are asked for.
        channels: How many channels the network has; one takes the first's statistics.
    """
    if normalize == "dataset":
        return None
    mean, std = wanted
    return (task.mean, task.std), (mean[:channels], std[:channels])


_WRAPPERS: Final = ("state_dict_ema", "state_dict", "model_ema", "model")
"""Under which names training scripts put the weights in their checkpoints."""


def read_weights(path: Path) -> Weights:
    """Return the tensors of a file of safetensors, or of one that torch reads as weights alone; no code of it runs.

    Raises:
        InputError: it is neither, or has other things in it.
    """
    try:
        found = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (OSError, RuntimeError, SafetensorError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(
            f"model.weights: {path} holds no weights that can be read without running code: {error}"
        ) from error
    inner = next((found[name] for name in _WRAPPERS if isinstance(found, Mapping) and name in found), found)
    if not isinstance(inner, Mapping) or not all(isinstance(each, torch.Tensor) for each in inner.values()):
        raise InputError(f"model.weights: {path} holds no state dict: names with a tensor each")
    return {name.removeprefix("module."): each for name, each in inner.items()}


def renamed(weights: Weights, like: Weights, path: Path) -> Weights:
    """Return weights by the names that a network has for them.

    Where no name is known but all shapes are the same in the same order, as in another implementation of the same
    network, the order tells which is which (torch's files keep it, safetensors do not).

    Raises:
        InputError: it is another network's file.
    """
    if any(name in like for name in weights):
        return weights
    if [each.shape for each in weights.values()] == [each.shape for each in like.values()]:
        return dict(zip(like, weights.values(), strict=True))
    raise InputError(
        f"model.weights: {path} is of another network: it has {next(iter(weights), 'nothing')} and "
        f"{len(weights):,} tensors in all, this one has {next(iter(like))} and {len(like):,}"
    )


def fill(network: Named, weights: Weights, path: Path) -> None:
    """Set all weights of the body, but for a head that is of other classes.

    Raises:
        InputError: weights are missing, or have other shapes.
    """
    own = network.body.state_dict()
    fitting = {name: each for name, each in weights.items() if name in own and own[name].shape == each.shape}
    lacking = [name for name in own if name not in fitting and not network.classifies(name)]
    lacking = [name for name in lacking if not name.endswith("num_batches_tracked")]
    if lacking:
        wrong = weights.get(lacking[0])
        what = (
            "is not there" if wrong is None else f"is of shape {list(wrong.shape)}, not {list(own[lacking[0]].shape)}"
        )
        raise InputError(f"model.weights: {path}: {lacking[0]} {what} ({len(lacking):,} tensors do not fit)")
    network.body.load_state_dict(fitting, strict=False)


def fetched(what: str, get: Callable[[], str]) -> Path:
    """Return the file that `get` finds on this machine, or downloads.

    Raises:
        InputError: it is not here and cannot be had; the message is about `what`, and says how to name it.
    """
    try:
        return Path(get())
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise InputError(
            f"model.weights: pretrained weights are {what}, which is not on this machine and cannot be fetched "
            f"({reason}); fetch it elsewhere and name the file: `weights: FILE`"
        ) from error
