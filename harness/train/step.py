"""One step of training: gather, augment, normalize, forward, backward, update at the step's learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from harness.contracts import Augmentation, Batch, Optimizer, Schedule
from harness.errors import TrainingError
from harness.train.batches import Normalize


@dataclass(frozen=True, slots=True)
class Rates:
    """A schedule laid over a training of known length."""

    schedule: Schedule
    steps_per_epoch: int
    epochs: int

    def factor(self, step: int) -> float:
        """Return what the optimizer's `lr` is multiplied with at step `step` (from 0, over the whole training).

        Warm-up multiplies the schedule by (step + 1) / steps of warm-up until that is 1; the
        schedule itself starts at step 0 (Goyal et al. 2017, section 2.2).
        """
        factor = self.schedule.factor(step, self.steps_per_epoch, self.epochs)
        warmup_steps = self.schedule.warmup_epochs * self.steps_per_epoch
        return factor * min(1.0, (step + 1) / warmup_steps) if warmup_steps else factor


class Follower(Protocol):
    """A second network whose weights follow the trained one's, and are evaluated in their place."""

    network: nn.Module

    def update(self, updates: int) -> None:
        """Hear of a step, `updates` steps having been taken before it."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step needs besides its batch; see `take` for the order of events."""

    network: nn.Module
    follower: Follower | None
    optimizer: torch.optim.Optimizer
    base_rates: tuple[float, ...]
    """Learning rate of each parameter group before the schedule's factor."""
    augmentations: Sequence[Augmentation]
    normalize: Normalize
    random: torch.Generator
    format: torch.dtype
    """What forward and backward are autocast to; float32 for no autocast."""
    scaler: torch.amp.GradScaler | None
    """Scales losses, so that small gradients survive in fp16."""
    channels_last: bool
    gradient_clip: float | None
    parts: int = 1
    """Micro-batches of a batch."""
    class_weights: torch.Tensor | None = None
    """float32 [K], on the device; None for 1 each."""

    def take(self, batch: Batch, number: int, factor: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Augment, normalize, forward, loss, backward, clip, update; then the follower's turn.

        Args:
            batch: Images as decoded, one-hot targets.
            number: Steps taken before this one, over the whole training.
            factor: What the base learning rates are multiplied with.

        Returns:
            Mean loss of the batch (float32 scalar) and number of images whose largest logit is at
            the largest target (int64 scalar), both on the device: nothing here waits for it.
        """
        self.set_rates(factor)
        loss, hits = self.update(batch)
        self.follow(number)
        return loss, hits

    def set_rates(self, factor: float) -> None:
        """Set the learning rates of all groups, in place where they are tensors on the device."""
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate * factor)
            else:
                group["lr"] = rate * factor

    def update(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Change the weights by one batch: all of a step that depends on nothing but tensors on the device."""
        for augmentation in self.augmentations:
            changed = augmentation.change(batch, self.random)
            batch = replace(batch, images=changed.images, targets=changed.targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss, hits = self._gradients(batch)
        if self.scaler is None:
            self._clip()
            self._update_weights()
        else:
            self._update_scaled(self.scaler)
        return loss, hits

    def follow(self, number: int) -> None:
        """Let the follower hear of the step."""
        if self.follower is not None:
            self.follower.update(number)

    def _gradients(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Add up the gradients of the micro-batches; return the batch's mean loss and hits."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        images = self.normalize(batch.images).contiguous(memory_format=layout)
        if self.parts == 1:
            return self._backward(images, batch.targets, 1.0)
        parts = zip(images.tensor_split(self.parts), batch.targets.tensor_split(self.parts), strict=True)
        found = [self._backward(part, targets, len(part) / len(images)) for part, targets in parts if len(part)]
        losses, hits = (torch.stack(each).sum() for each in zip(*found, strict=True))
        return losses, hits

    def _backward(self, images: torch.Tensor, targets: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Add the gradients of some images, which are this share of the batch; return their loss times it, and hits."""
        with torch.autocast(images.device.type, self.format, enabled=self.format != torch.float32):
            logits = self.network(images)
        if logits.shape != targets.shape:
            shapes = f"scores of shape {list(logits.shape)} instead of {list(targets.shape)}"
            raise TrainingError(f"the network gives {shapes}, one for each image and class")
        loss = functional.cross_entropy(logits.float(), targets, weight=self.class_weights)
        if share != 1:
            loss = loss * share
        torch.autograd.backward(loss if self.scaler is None else self.scaler.scale(loss))
        return loss.detach(), (logits.detach().argmax(1) == targets.argmax(1)).sum()

    def _update_weights(self) -> None:
        """Let the optimizer step; what it multiplies matrices for, such as Muon, runs in the step's format."""
        with torch.autocast(self.normalize.device.type, self.format, enabled=self.format != torch.float32):
            self.optimizer.step()

    def _update_scaled(self, scaler: torch.amp.GradScaler) -> None:
        """Undo the loss scale; a step whose gradients are not finite is left out, and the scale is halved."""
        if self.gradient_clip is not None:
            scaler.unscale_(self.optimizer)
            self._clip()
        scaler.step(self.optimizer)
        scaler.update()

    def _clip(self) -> None:
        if self.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_clip)


def build_optimizer(
    options: Optimizer, network: nn.Module, device: torch.device, shares: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """Return the optimizer over the trainable parameters, fused where torch can.

    With `decay_norms_and_biases: false` the parameters of one dimension or none, which are those
    of normalizations and biases, have no weight decay.

    Args:
        options: Which optimizer.
        network: Whose parameters.
        device: Where they are.
        shares: By a parameter's name, what its learning rate is multiplied with; 1 where it is not named.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            is_spared = parameter.ndim <= 1 and not options.decay_norms_and_biases
            groups.setdefault(((shares or {}).get(name, 1.0), is_spared), []).append(parameter)
    order = sorted(groups, key=lambda kind: (-kind[0], kind[1]))
    optimizer = options.build(
        [
            {"params": groups[share, is_spared], "weight_decay": 0.0 if is_spared else options.weight_decay}
            | ({"share": share} if share != 1 else {})
            for share, is_spared in order
        ],
        fused=device.type in {"cpu", "cuda"},
    )
    for group in optimizer.param_groups:  # which an optimizer may have given rates of its own
        group["lr"] *= group.get("share", 1)
    return optimizer
