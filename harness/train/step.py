"""One step of training: gather, augment, normalize, forward, backward, update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from harness.contracts import Augmentation, Batch, Optimizer
from harness.train.averaging import Average
from harness.train.batches import Normalize


@dataclass(frozen=True, slots=True)
class Step:
    """What a step needs besides its batch; see `take` for the order of events."""

    network: nn.Module
    average: Average | None
    optimizer: torch.optim.Optimizer
    base_rates: tuple[float, ...]
    """Learning rate of each parameter group before the schedule's factor."""
    augmentations: Sequence[Augmentation]
    normalize: Normalize
    random: torch.Generator
    bf16: bool
    channels_last: bool
    gradient_clip: float | None

    def take(self, batch: Batch, number: int, factor: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Augment, normalize, forward, loss, backward, clip, update, average.

        Args:
            batch: Images as decoded, one-hot targets.
            number: Steps taken before this one, over the whole training.
            factor: What the base learning rates are multiplied with.

        Returns:
            Mean loss of the batch (float32 scalar) and number of images whose largest logit is at
            the largest target (int64 scalar), both on the device: nothing here waits for it.
        """
        for augmentation in self.augmentations:
            batch = augmentation.change(batch, self.random)
        loss, hits = self._gradients(batch)
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.step()
        if self.average is not None:
            self.average.update(number)
        return loss, hits

    def _gradients(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        images = self.normalize(batch.images).contiguous(memory_format=layout)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.network(images)
        loss = functional.cross_entropy(logits.float(), batch.targets)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if self.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_clip)
        return loss.detach(), (logits.detach().argmax(1) == batch.targets.argmax(1)).sum()


def build_optimizer(options: Optimizer, network: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimizer over the trainable parameters, fused where torch can.

    With `decay_norms_and_biases: false` the parameters of one dimension or none, which are those
    of normalizations and biases, have no weight decay.
    """
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    spared = [] if options.decay_norms_and_biases else [each for each in trainable if each.ndim <= 1]
    decayed = [each for each in trainable if options.decay_norms_and_biases or each.ndim > 1]
    groups: list[dict[str, object]] = [
        {"params": parameters, "weight_decay": decay}
        for parameters, decay in ((decayed, options.weight_decay), (spared, 0.0))
        if parameters
    ]
    return options.build(groups, fused=device.type in {"cpu", "cuda"})
