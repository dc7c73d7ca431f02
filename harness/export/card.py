"""The model card: what a stranger has to know to use the model and to judge it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.contracts import Opening
from harness.errors import printable
from harness.escape import in_markdown, in_markdown_code
from harness.matrix import cell_to_yaml
from harness.matrix.meanings import summary
from harness.measure.paired import wilson
from harness.measure.predictions import read_predictions
from harness.track import Record, Store
from harness.track.fitted import FittedRun
from harness.words import metric_text, sources_in

FILE: Final = "README.md"
SPLITS: Final = {"val": "validation", "test": "test"}
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=False,  # Markdown, not HTML
    finalize=lambda value: in_markdown(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["code"] = lambda text: Markup(in_markdown_code(text))


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
        fitted: The run with its model; its settings as they are to be read by strangers.
        store: Where its predictions and the ledger are.
        files: What else is in the folder.
        remarks: What could not be exported, and why.
        path: The file.
    """
    record, cell = fitted.record, fitted.cell
    about = _about(summary(fitted.catalog.declare("model", cell.model.name)))
    text = _TEMPLATES.get_template("card.md.jinja").render(
        run=record,
        cell=cell,
        task=fitted.task,
        about=about,
        sources=sources_in([about]),
        probabilistic=fitted.classifier.probabilistic,
        parameters=fitted.classifier.parameter_count(),
        arrays=dict(sorted(fitted.classifier.state().items())),
        settings=Markup(_fenced(cell_to_yaml(cell))),
        rows=_rows(record, store),
        opening=_opening(record, store),
        files=files,
        remarks=remarks,
        is_network=cell.recipe is not None,
        names={file.name for file in files},
        environment=_environment(record, store),
    )
    path.write_text(text, encoding="utf-8")


def _about(text: str) -> str:
    """Return the first clause of what a component says of itself: what follows may be about another number of classes.

    >>> _about("Flatten, linear, ReLU, linear; 1,578,506 parameters at 32x32x3 and 10 classes.")
    'Flatten, linear, ReLU, linear.'
    """
    return f"{text.partition('; ')[0].rstrip('.')}." if text else ""


def _fenced(text: str) -> str:
    """Return a block of code whose fence its own text does not end."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}yaml\n{printable(text.rstrip(), chr(10))}\n{fence}"


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
    found = store.openings([record.key])
    return next((each for each in found if each.run_id == record.run_id), next(iter(found), None))


def _environment(record: Record, store: Store) -> dict[str, str]:
    """Return system facts and versions that environment.txt names; empty where the run has none."""
    path = store.artifact(record.run_id, "environment.txt")
    facts = {}
    for line in path.read_text().splitlines() if path else ():
        name, colon, value = line.partition(": ")
        package, equals, version = line.partition("==")
        facts[name if colon else package] = value if colon else version if equals else ""
    return facts
