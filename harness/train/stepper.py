"""Steps by their rows: each by itself, or on CUDA as replays of one that was recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import torch

from harness.train.batches import Pool
from harness.train.step import Step

WARM_UP: Final = 3
"""Steps taken one by one first: they make the optimizer's buffers and choose the algorithms."""
_LOG: Final = logging.getLogger(__name__)

Taken = tuple[torch.Tensor, torch.Tensor]
"""Loss and hits; see `Step.take`."""
Replay = Callable[[torch.Tensor], Taken]
"""From rows to what a step on them gives, but for rates and follower."""
Record = Callable[[Step, Pool, int, torch.Tensor], Replay]
"""From step, pool, batch size and the scalar that holds the epoch."""


class Stepper:
    """Takes the steps of a fit over one pool of images.

    A small network's step on a GPU is hundreds of kernels that take less time than it takes to launch them. So after
    a few steps one of a full batch is recorded as a CUDA graph, from the gather to the update of the weights, and
    the others are replays of it: the same kernels on the same kind of numbers, in one launch. Steps of other
    sizes are taken one by one, and so are all of them where a step needs the host: images in host memory,
    scaled losses, or a component that waits for the device.
    """

    def __init__(self, step: Step, pool: Pool, batch_size: int, record: Record | None = None) -> None:
        """Take full batches of `batch_size` images; `record` records one, None takes each by itself."""
        self._step, self._pool, self._batch_size = step, pool, batch_size
        self._epoch = torch.zeros((), dtype=torch.int64, device=pool.device)
        self._record = record
        self._warm = 0
        self._replay: Replay | None = None
        if record is not None:
            for group in step.optimizer.param_groups:
                _put_rate_on(pool.device, group)

    @property
    def is_recorded(self) -> bool:
        """Whether steps are replays by now."""
        return self._replay is not None

    def begin_epoch(self, epoch: int, changed: bool) -> None:
        """Hear the number of the epoch (from 1), and whether other parameters than before are trained in it."""
        self._epoch.fill_(epoch - 1)
        if changed:
            self._replay, self._warm = None, 0

    def take(self, rows: torch.Tensor, number: int, factor: float) -> Taken:
        """Take a step on the images at `rows`; see `Step.take`."""
        if len(rows) != self._batch_size or self._record is None:
            return self._one(rows, number, factor)
        if self._replay is None and self._warm == WARM_UP:
            self._replay = self._recorded(self._record)
        if self._replay is None:
            self._warm += 1
            return self._one(rows, number, factor)
        self._step.set_rates(factor)
        taken = self._replay(rows)
        self._step.follow(number)
        return taken

    def _one(self, rows: torch.Tensor, number: int, factor: float) -> Taken:
        return self._step.take(self._pool.gather(rows, self._epoch), number, factor)

    def _recorded(self, record: Record) -> Replay | None:
        """Return a recording; None, and no further try, where the step cannot be recorded."""
        try:
            return record(self._step, self._pool, self._batch_size, self._epoch)
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            _LOG.warning("steps are taken one by one, since they cannot be recorded as a CUDA graph: %s", error)
            self._record = None
            return None


def recorder_for(step: Step, pool: Pool) -> Record | None:
    """Return what records this step; None where nothing can: off CUDA, or where the step needs the host."""
    if pool.device.type != "cuda" or not pool.is_resident or step.scaler is not None:
        return None
    return Recording


class Recording:
    """A step as a CUDA graph, with the places that its input is put in and its output is taken from."""

    def __init__(self, step: Step, pool: Pool, batch_size: int, epoch: torch.Tensor) -> None:
        """Record without taking the step.

        Raises:
            RuntimeError: the step needs the host, or there is no memory to record it in.
        """
        device = pool.device
        self._rows = torch.zeros(batch_size, dtype=torch.int64, device=device)
        self._graph = torch.cuda.CUDAGraph()
        self._graph.register_generator_state(step.random)
        step.optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize(device)
        with torch.cuda.device(device), torch.cuda.graph(self._graph):
            self._loss, self._hits = step.update(pool.gather(self._rows, epoch))
        step.optimizer.zero_grad(set_to_none=True)

    def __call__(self, rows: torch.Tensor) -> Taken:
        """Take the step on these rows; loss and hits are overwritten by the next replay."""
        self._rows.copy_(rows)
        self._graph.replay()
        return self._loss, self._hits


def _put_rate_on(device: torch.device, group: dict[str, Any]) -> None:
    """Put a group's learning rate where a recording can read what it has become.

    From the first step on, so that recorded steps and others round it alike.
    """
    group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32).to(device)
    if "capturable" in group:
        group["capturable"] = device.type == "cuda"
