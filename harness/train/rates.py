"""The learning rate of a step."""

from __future__ import annotations

from dataclasses import dataclass

from harness.contracts import Schedule


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
