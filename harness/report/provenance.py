"""How a study was run: what somebody needs to trust it or do it again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from harness.contracts import Dataset
from harness.contracts.metrics import TRAIN_SECONDS
from harness.report.blocks import Column, Fact, Run, Table, Value, named
from harness.report.store import Entry, Findings, ReportStore
from harness.report.variants import TEST, VALIDATION, dataset_name, device_of
from harness.words import NOTHING, duration, moment, percent

PACKAGES: Final = ("harness", "torch", "torchvision", "numpy", "scikit-learn", "scikit-image", "mlflow")
COLUMNS: Final = (
    Column("cell", numeric=False),
    Column("state", numeric=False),
    Column("seed"),
    Column("test top-1 %"),
    Column("val. top-1 %"),
    Column("train time"),
    Column("device", numeric=False),
    Column("begun", numeric=False),
    Column("MLflow run", numeric=False),
)


def facts(findings: Findings, store: ReportStore) -> tuple[Fact, ...]:
    """Return how the study was run; facts that nothing is known of are left out."""
    cells = findings.entries
    known = {
        "matrix file": findings.plan.matrix,
        "data": "; ".join(_unique(_dataset(entry.planned.cell.dataset) for entry in cells)),
        "data fingerprint": _tags(cells, "data_fingerprint"),
        "validation split digest": _tags(cells, "split_digest"),
        "seeds": ", ".join(_unique(str(seed) for seed in sorted(entry.seed for entry in cells))),
        "device": "; ".join(_unique(device_of(entry) for entry in findings.finished)),
        "host": _tags(cells, "host"),
        "commit": _tags(cells, "git"),
        "run": _times(findings),
        "versions": "; ".join(_unique(_versions(entry, store) for entry in findings.finished)),
    }
    return tuple(Fact(name, text) for name, text in known.items() if text)


def cells_table(findings: Findings) -> Table:
    """Return one row for each planned cell, with its run."""
    return Table("Every cell and its run", COLUMNS, tuple(_row(entry) for entry in findings.entries))


def failures(findings: Findings) -> tuple[Fact, ...]:
    """Return the failed cells with what they failed of, in whole."""
    return tuple(Fact(entry.planned.name, entry.reason) for entry in findings.entries if entry.state == "failed")


def train_seconds(findings: Findings) -> float:
    """Return how long fitting took in all, as if one cell had run after the other."""
    return sum(entry.metric(TRAIN_SECONDS) or 0.0 for entry in findings.finished)


def _row(entry: Entry) -> tuple[Value, ...]:
    run, seconds = entry.run, entry.metric(TRAIN_SECONDS)
    return (
        named(entry.planned.name),
        named(entry.state, "" if entry.state == "done" else "bad"),
        Value(str(entry.seed), entry.seed),
        _share(entry.metric(TEST)),
        _share(entry.metric(VALIDATION)),
        Value(NOTHING if seconds is None else duration(seconds), seconds),
        named(device_of(entry) if run else NOTHING),
        Value(moment(run.start), run.start) if run else Value(NOTHING),
        Value(run.run_id, run.run_id, code=True, runs=(Run("", run.run_id),)) if run else Value(NOTHING),
    )


def _share(share: float | None) -> Value:
    return Value(NOTHING if share is None else percent(share), share)


def _dataset(dataset: Dataset) -> str:
    validation = dataset.validation
    held_out = [
        f"{validation.size:,} images" if validation.size else "",
        f"{validation.fraction:g} of train" if validation.fraction else "",
        f"groups of {validation.groups}" if validation.groups else "",
    ]
    return f"{dataset_name(dataset)}, validation {' in '.join(filter(None, held_out))} (seed {validation.seed})"


def _times(findings: Findings) -> str:
    runs = [entry.run for entry in findings.finished if entry.run is not None]
    if not runs:
        return ""
    last = max(run.end or run.start for run in runs)
    fitting = duration(train_seconds(findings))
    return f"{moment(min(run.start for run in runs))} to {moment(last)}; {fitting} of fitting in all"


def _versions(entry: Entry, store: ReportStore) -> str:
    """Return the versions that environment.txt names, Python's first."""
    path = store.artifact(entry.run.run_id, "environment.txt") if entry.run is not None else None
    text = path.read_text() if path is not None else ""
    python = re.search(r"^python: (.+)$", text, re.MULTILINE)
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))
    versions = [f"{name} {pinned[name]}" for name in PACKAGES if name in pinned]
    return ", ".join([python.group(1) if python else "", *versions]).strip(", ")


def _tags(entries: Sequence[Entry], name: str) -> str:
    return ", ".join(_unique(entry.tag(name) for entry in entries if entry.is_finished))


def _unique(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]
