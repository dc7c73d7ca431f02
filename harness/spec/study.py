"""What a matrix file says, resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.contracts import Ablation, Budget, Claim, Placed, ReportSettings, Tune


@dataclass(frozen=True, slots=True)
class Study:
    """A matrix file as values: every cell complete and valid, nothing left of the text."""

    name: str
    path: Path
    cells: tuple[Placed, ...]
    """Each cell once, in file order: experiments, then what ablations add."""
    ablations: tuple[Ablation, ...] = ()
    tune: Mapping[str, Tune] = field(default_factory=dict)
    """By experiment."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """By experiment: where its `tune:` entry stands, as lines of a MatrixError begin (`matrix.yaml:31:3: tune.mlp`)."""
    claims: tuple[Claim, ...] = ()
    budget: Budget = field(default_factory=Budget)
    report: ReportSettings = field(default_factory=ReportSettings)
    partial: bool = False
    """Whether `only` left cells or tuning studies of the file out."""
