"""A cell and where it runs: what an executor carries to a worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.contracts.cell import Cell


@dataclass(frozen=True, slots=True)
class Job:
    """A cell and where it runs. `folder` is the cell's own: checkpoint, fitted model, artifacts."""

    key: str
    cell: Cell
    folder: Path
    cache: Path
    device: str
    """auto, cpu or cuda:N."""
    threads: int
    plugins: tuple[Path, ...] = ()
    smoke: bool = False
    light: bool = False
    """Whether it leaves figures and predictions only, as a search's trials do: neither model nor pictures."""
    parts: int = 1
    """In how many micro-batches a network takes each batch: more after memory ran out."""
