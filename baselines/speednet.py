"""A small network for fast recipes (airbench)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from harness.contracts import NetworkModel, Task

from ._layers import dropped, require_size

PATCH: Final = 2
SAMPLE: Final = 5000
"""Training images that the whitening is computed from."""
Width = Annotated[int, Field(gt=0)]


class Speednet(NetworkModel):
    """A network of the airbench class (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", section 3).

    2x2 convolution that whitens, GELU, three blocks that begin with a convolution and a max pooling, global max
    pooling, linear without bias. 1,971,352 trainable parameters at 3 channels and 10 classes, 1,440 more are frozen.

    Attributes:
        widths: Channels of the three blocks; (128, 384, 512) with depth 3 is the network for 96 %.
        depth: Convolutions of a block; the third has a residual connection around the last two.
        whitening: Whether the first layer's filters are the eigenvectors of the training images' patches and
            their negatives, scaled to unit variance, and stay so (section 3.2); else they are drawn and trained.
        identity: Whether 3x3 convolutions begin as the identity on their first channels (section 3.3).
        norm_momentum: Share of batch normalization's running statistics that is kept each step.
        norm_scale: Whether batch normalization's scales are trained; its biases always are.
        logit_scale: What the logits are multiplied with.
        dropout: Rate before the linear layer.
    """

    widths: tuple[Width, Width, Width] = (64, 256, 256)
    depth: Literal[2, 3] = 2
    whitening: bool = True
    identity: bool = True
    norm_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.6
    norm_scale: bool = False
    logit_scale: Annotated[float, Field(gt=0)] = 1 / 9
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def network(self, task: Task) -> nn.Module:
        """Return the network; raises InputError for images below 9 pixels."""
        require_size("speednet", task, 9)
        height, width, channels = task.shape
        patch = 2 * channels * PATCH**2
        whiten = nn.Conv2d(channels, patch, PATCH)
        whiten.weight.requires_grad_(not self.whitening)
        blocks: list[nn.Module] = []
        for inputs, outputs in zip((patch, *self.widths), self.widths, strict=False):
            blocks.append(_Block(inputs, outputs, self))
        left = ((height - 1) // 8, (width - 1) // 8)
        network = nn.Sequential()
        network.add_module("whiten", whiten)
        network.add_module("activation", nn.GELU())
        network.add_module("blocks", nn.Sequential(*blocks))
        network.add_module("pool", nn.Sequential(nn.MaxPool2d(left), nn.Flatten(), *dropped(self.dropout)))
        network.add_module("head", nn.Linear(self.widths[-1], len(task.classes), bias=False))
        network.add_module("scale", _Scale(self.logit_scale))
        return network

    def prepare(self, network: nn.Module, images: Iterator[torch.Tensor]) -> None:
        """Set the filters of the first layer from the first 5,000 training images, in batches float32 [n, C, H, W]."""
        if not self.whitening:
            return
        whiten = network.get_submodule("whiten")
        assert isinstance(whiten, nn.Conv2d)
        with torch.no_grad():
            whiten.weight.copy_(whitening_filters(images))


def whitening_filters(images: Iterator[torch.Tensor]) -> torch.Tensor:
    """Return filters float32 [8 C, C, 2, 2] whose answers to the images are uncorrelated and of unit variance.

    Eigenvectors of the patches' second moments, divided by the roots of their eigenvalues (plus 5e-4), the most
    important first, then the same with the opposite sign.

    Args:
        images: Normalized images in batches [n, C, H, W]; the first 5,000 or so are looked at.
    """
    moments, patches, seen = torch.zeros(()), 0, 0
    for batch in images:
        flat = functional.unfold(batch, PATCH).transpose(1, 2).flatten(0, 1).double()
        moments = moments + flat.T @ flat
        patches, seen, channels = patches + len(flat), seen + len(batch), batch.shape[1]
        if seen >= SAMPLE:
            break
    values, vectors = torch.linalg.eigh(moments / patches)
    filters = (vectors / (values.clamp(min=0) + 5e-4).sqrt()).T.flip(0).float()
    return torch.cat((filters, -filters)).view(-1, channels, PATCH, PATCH)


class _Block(nn.Module):
    """Convolution, max pooling, normalization, GELU; then convolution, normalization, GELU once or twice."""

    def __init__(self, inputs: int, outputs: int, options: Speednet) -> None:
        super().__init__()
        self.first = nn.Sequential(
            _convolution(inputs, outputs, options), nn.MaxPool2d(2), _norm(outputs, options), nn.GELU()
        )
        rest: list[nn.Module] = []
        for _ in range(options.depth - 1):
            rest += [_convolution(outputs, outputs, options), _norm(outputs, options), nn.GELU()]
        self.rest = nn.Sequential(*rest[:-1])
        self.last = rest[-1]
        self._residual = options.depth == 3

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return [N, outputs, H // 2, W // 2]."""
        first = self.first(images)
        rest = self.rest(first)
        result: torch.Tensor = self.last(rest + first if self._residual else rest)
        return result


class _Scale(nn.Module):
    """Multiplies with a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the logits [N, K], scaled."""
        return logits * self._factor


def _convolution(inputs: int, outputs: int, options: Speednet) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    if options.identity:
        nn.init.dirac_(convolution.weight.data[:inputs])
    return convolution


def _norm(channels: int, options: Speednet) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=1 - options.norm_momentum)
    norm.weight.requires_grad_(options.norm_scale)
    return norm
