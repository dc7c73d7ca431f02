"""The model card: what a stranger has to know to use the model and to judge it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.contracts import Opening
from harness.matrix import cell_to_yaml
from harness.measure.paired import wilson
from harness.measure.predictions import read_predictions
from harness.track import Record, Store
from harness.track.fitted import FittedRun
from harness.words import metric_text

FILE: Final = "README.md"
SPLITS: Final = {"val": "validation", "test": "test"}
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=False,  # Markdown
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one split as text."""

    split: str
    images: str
    accuracy: str
    macro_f1: str
    loss: str
    ece: str


@dataclass(frozen=True, slots=True)
class File:
    """A file of the folder and what it is."""

    name: str
    what: str


def write_card(fitted: FittedRun, store: Store, files: Sequence[File], remarks: Sequence[str], path: Path) -> None:
    """Write the card as Markdown.

    Args:
        fitted: The run with its model.
        store: Where its predictions and the ledger are.
        files: What else is in the folder.
        remarks: What could not be exported, and why.
        path: The file.
    """
    record = fitted.record
    model = fitted.catalog.realize("model", fitted.cell.model.name, fitted.cell.model.options)
    text = _TEMPLATES.get_template("card.md.jinja").render(
        run=record,
        cell=fitted.cell,
        task=fitted.task,
        about=inspect.getdoc(type(model)) or "",
        probabilistic=fitted.classifier.probabilistic,
        parameters=fitted.classifier.parameter_count(),
        arrays=dict(sorted(fitted.classifier.state().items())),
        settings=cell_to_yaml(fitted.cell),
        rows=_rows(record, store),
        opening=_opening(record, store),
        files=files,
        remarks=remarks,
        is_network=fitted.cell.recipe is not None,
        environment=_environment(record, store),
    )
    path.write_text(text, encoding="utf-8")


def _rows(record: Record, store: Store) -> list[Row]:
    rows = []
    for split, name in SPLITS.items():
        path = store.artifact(record.run_id, f"predictions/{split}.parquet")
        if path is not None:
            found = read_predictions(path)
            low, high = wilson(float(found.right.mean()), len(found))
            accuracy = f"{100 * found.right.mean():.2f} % ({100 * low:.2f} to {100 * high:.2f})"
            names = (f"{split}/{metric}" for metric in ("macro_f1", "loss", "ece"))
            figures = (metric_text(each, record.metrics.get(each)) for each in names)
            rows.append(Row(name, f"{len(found):,}", accuracy, *figures))
    return rows


def _opening(record: Record, store: Store) -> Opening | None:
    return next(iter(store.openings([record.key])), None)


def _environment(record: Record, store: Store) -> dict[str, str]:
    """Return system facts and versions that environment.txt names; empty where the run has none."""
    path = store.artifact(record.run_id, "environment.txt")
    facts = {}
    for line in path.read_text().splitlines() if path else ():
        name, colon, value = line.partition(": ")
        package, equals, version = line.partition("==")
        facts[name if colon else package] = value if colon else version if equals else ""
    return facts
