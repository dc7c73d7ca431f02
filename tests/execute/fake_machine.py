"""A machine that names two GPUs, each with 40 GiB free, and has four cores; nothing can be computed there."""

from __future__ import annotations

import pytest

from harness.execute import packing, plan
from harness.measure import environment
from harness.measure.machine import Gpu


def give_it_two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "gpus", lambda: (Gpu("Fake 1", "1"), Gpu("Fake 2", "2")))
    monkeypatch.setattr(environment, "version", lambda _: "2.15.0")
    monkeypatch.setattr(plan, "usable_cores", lambda: 4)
    monkeypatch.setattr(packing, "free_bytes", lambda _: 40 * 2**30)
