"""Steps by their rows: each by itself, or on CUDA as replays of one that was recorded."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch

from harness.train.batches import Pool
from harness.train.step import Step

WARM_UP: Final = 3
"""Steps taken one by one first: they make the optimizer's buffers and choose the algorithms."""
WAITED: Final = "called a synchronizing CUDA operation"
"""What torch warns of in its synchronization debug mode."""
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
        """Take a step on the images at `rows` [n]; see `Step.take`."""
        if len(rows) != self._batch_size or self._record is None:
            return self._one(rows, number, factor)
        if self._warm < WARM_UP:
            return self._warmed_up(rows, number, factor)
        self._replay = self._replay or self._recorded(self._record)
        if self._replay is None:
            return self._one(rows, number, factor)
        self._step.set_rates(factor)
        taken = self._replay(rows)
        self._step.follow(number)
        return taken

    def _one(self, rows: torch.Tensor, number: int, factor: float) -> Taken:
        return self._step.take(self._pool.gather(rows, self._epoch), number, factor)

    def _warmed_up(self, rows: torch.Tensor, number: int, factor: float) -> Taken:
        """Take a step by itself; one in which the host waits for the device is not to be recorded."""
        self._warm += 1
        with noting_waits(self._pool.device) as waits:
            taken = self._one(rows, number, factor)
        if waits and self._warm == WARM_UP:
            self._give_up(f"the host waits for the device ({waits[0]})")
        return taken

    def _recorded(self, record: Record) -> Replay | None:
        """Return a recording; None, and no further try, where the step cannot be recorded."""
        try:
            return record(self._step, self._pool, self._batch_size, self._epoch)
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            self._give_up(str(error))
            return None

    def _give_up(self, reason: str) -> None:
        _LOG.warning("steps are taken one by one, since they cannot be recorded as a CUDA graph: %s", reason)
        self._record = None


def recorder_for(step: Step, pool: Pool) -> Record | None:
    """Return what records this step; None where nothing can: off CUDA, or where the step needs the host."""
    if pool.device.type != "cuda" or not pool.is_resident or step.scaler is not None:
        return None
    return Recording


@contextmanager
def noting_waits(device: torch.device) -> Iterator[list[str]]:
    """Lend a list that is filled at the end with what made the host wait for the device; off CUDA nothing does."""
    found: list[str] = []
    if device.type != "cuda":
        yield found
        return
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode(before)
    found += [f"{each.filename}:{each.lineno}" for each in caught if WAITED in str(each.message)]


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
        with torch.cuda.device(device), _kept_on_failure(step.random, device), torch.cuda.graph(self._graph):
            self._loss, self._hits = step.update(pool.gather(self._rows, epoch))
        step.optimizer.zero_grad(set_to_none=True)

    def __call__(self, rows: torch.Tensor) -> Taken:
        """Take the step on these rows; loss and hits are overwritten by the next replay."""
        self._rows.copy_(rows)
        self._graph.replay()
        return self._loss, self._hits


@contextmanager
def _kept_on_failure(random: torch.Generator, device: torch.device) -> Iterator[None]:
    """Give the generators that a step draws from their states back if recording fails: it leaves them recording."""
    generators = (random, torch.cuda.default_generators[device.index])
    states = [generator.clone_state() for generator in generators]
    try:
        yield
    except BaseException:
        for generator, state in zip(generators, states, strict=True):
            generator.graphsafe_set_state(state)
        raise


def _put_rate_on(device: torch.device, group: dict[str, Any]) -> None:
    """Put a group's learning rate where a recording can read what it has become.

    From the first step on, so that recorded steps and others round it alike.
    """
    group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32).to(device)
    if "capturable" in group:
        group["capturable"] = device.type == "cuda"
