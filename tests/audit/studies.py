"""A small real study to tamper with, and forged searches."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from harness.audit import Evidence, Finding, gather_evidence
from harness.contracts import (
    Cell,
    Choice,
    Choices,
    Confirm,
    Confirmation,
    Dataset,
    Opening,
    Outcome,
    Place,
    PlannedCell,
    Range,
    Recipe,
    StudyPlan,
    TrialFound,
    Tune,
    Tuning,
    Validation,
)
from harness.contracts.tuned import TUNING_FILE
from harness.execute.recording import DIGESTS, TAG, read_manifest
from harness.matrix import flatten
from harness.seeds import file_digest
from harness.track import LEDGER, Record, Store
from harness.track.journal import HEAD
from harness.track.ledger import append
from harness.track.runs import stored_tags

STUDY = "digits"
MATRIX = """
version: 1
study: digits
dataset: {name: digits, validation: {size: 200, seed: 0}}
seeds: [0]
experiments:
  floor: {model: majority}
  pixels: {model: logistic, test: never}
  deep: {model: mlp, recipe: {epochs: 3, keep: best, tta: flip}}
"""


class Quiet:
    """A watcher that looks away."""

    def started(self, planned: PlannedCell, device: str) -> None: ...

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None: ...

    def ended(self, outcome: Outcome) -> None: ...


def evidence_of(store: Store) -> Evidence:
    return gather_evidence(store, STUDY, store.home / "reports" / STUDY)


def faults(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    """Return (where, what) of what the audit fails of."""
    return [(each.where, each.what) for each in findings if each.is_fault]


def remarks(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(each.where, each.what) for each in findings if not each.is_fault]


def run_of(store: Store, name: str) -> Record:
    """Return the finished run of an experiment's cell."""
    return next(record for record in store.records(STUDY) if record.name == f"{name} s0")


def matrix_run(store: Store) -> Record:
    return next(record for record in store.records(STUDY) if record.kind == "matrix")


def artifact(store: Store, name: str, path: str) -> Path:
    found = store.artifact(run_of(store, name).run_id, path)
    assert found is not None
    return found


def flip_byte(path: Path, place: int | None = None) -> None:
    """Alter one bit of the byte in the middle of a file, or at a place."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 1
    path.write_bytes(bytes(content))


def forge(store: Store, statement: str, *values: object) -> None:
    """Change the database behind everybody's back."""
    with closing(sqlite3.connect(store.home / "mlflow.db")) as connection, connection:
        assert connection.execute(statement, values).rowcount > 0


def set_tag(store: Store, run_id: str, name: str, value: str) -> None:
    """Change a tag; most have a hidden name in the database, those of the ledger have not."""
    names = (name, *stored_tags({name: ""}))
    forge(store, "UPDATE tags SET value = ? WHERE run_uuid = ? AND key IN (?, ?)", value, run_id, names[0], names[1])


def drop_tag(store: Store, name: str) -> None:
    """Take a tag from all runs."""
    forge(store, "DELETE FROM tags WHERE key IN (?, ?)", name, *stored_tags({name: ""}))


def forget_journal(store: Store) -> None:
    """Make the store one of a version that kept no journal, and wrote down digests of files alone."""
    forge(store, "DELETE FROM runs WHERE run_uuid IN (SELECT run_uuid FROM tags WHERE value = 'journal')")
    (store.home / HEAD).unlink()
    for record in store.records(STUDY):
        path = store.artifact(record.run_id, DIGESTS)
        if path is not None:
            path.write_text(json.dumps(dict(read_manifest(path.read_text()).files)))
            set_tag(store, record.run_id, TAG, file_digest(path))


def ledger_run(store: Store, key: str) -> str:
    """Return the run id of a cell's line in the ledger."""
    return next(record.run_id for record in store.records(LEDGER) if record.key == key)


def forge_opening(store: Store, key: str, run_id: str, **changes: Any) -> None:
    """Append a line to the ledger that nobody asked for."""
    line: dict[str, Any] = {"model_digest": "0123456789abcdef", "time": "2026-11-21T05:00:00+00:00", "host": "here"}
    experiment = store.client.get_experiment_by_name(LEDGER)
    ledger = experiment.experiment_id if experiment else store.client.create_experiment(LEDGER)
    append(store.client, ledger, Opening(key=key, run_id=run_id, **line | changes), STUDY)


START = Cell(
    dataset=Dataset(name="digits", validation=Validation(size=100)),
    model=Choice(name="mlp"),
    recipe=Recipe(optimizer=Choice.model_validate({"name": "sgd", "lr": 0.1})),
    seed=0,
)
RATE = "recipe.optimizer.lr"
FIXED = "2026-11-21T05:00:00.250000+00:00"
RATES = {0: 0.1, 1: 0.2, 2: 0.3}
SCORES = {0: 0.70, 1: 0.90, 2: 0.80}
CONFIRMED = {1: (0.80, 0.82), 2: (0.85, 0.87)}


def cell_at(rate: float, **changes: Any) -> Cell:
    optimizer = Choice.model_validate({"name": "sgd", "lr": rate})
    recipe = Recipe(optimizer=optimizer)
    return START.model_copy(update={"recipe": recipe, "test": "never"} | changes)


def planned(name: str, cell: Cell, key: str, **tags: str) -> PlannedCell:
    marks = {f"harness.{each}": value for each, value in tags.items()}
    place = Place(experiment=name.rpartition(" s")[0])
    return PlannedCell(name=name, cell=cell, places=(place,), key=key, source_digest="source", tags=marks)


def log_run(store: Store, kind: Any, each: PlannedCell, accuracy: float) -> str:
    """Log a finished run of a cell, without artifacts."""
    tags = {"harness.key": each.key, "harness.experiment": each.places[0].experiment, **each.tags}
    run_id = store.start_run(STUDY, kind, each.name, tags=tags, params=flatten(each.cell))
    store.log_final(run_id, {"val/accuracy": accuracy}, {}, 0)
    store.end(run_id, "FINISHED")
    return run_id


FINAL = planned("mlp tuned s0", cell_at(0.3, test="once"), "key-final", stage="final", trial="2")


def log_search(store: Store, *cells: PlannedCell, **changes: Any) -> Tuning:
    """Log a search of three trials of which two were confirmed; trial 2 won on fresh seeds.

    `cells` are those of the matrix; `changes` are fields of the `Tuning` that is logged.
    """
    trials = tuple(_trial(store, number) for number in RATES)
    confirmed = tuple(_confirmation(store, number) for number in CONFIRMED)
    log_run(store, "cell", FINAL, 0.86)
    tuning = Tuning(
        study=STUDY,
        experiment="mlp",
        tune=_tune(),
        stage="done",
        trials=trials,
        confirmed=confirmed,
        winner=2,
        winner_time=FIXED,
        final=FINAL,
    ).model_copy(update=changes)
    matrix = store.start_run(STUDY, "matrix", "matrix", tags={"harness.partial": "false"})
    plan = StudyPlan(study=STUDY, matrix="matrix.yaml", cells=cells, tune={"mlp": tuning.tune})
    store.log_text(matrix, plan.model_dump_json(), "plan.json")
    store.log_text(store.start_run(STUDY, "study", "mlp", tags={}), tuning.model_dump_json(), TUNING_FILE)
    return tuning


def _tune() -> Tune:
    space: dict[str, Range | Choices] = {RATE: Range(low=0.01, high=1.0, log=True)}
    return Tune(start=START, seeds=(0,), trials=3, space=space, confirm=Confirm(top=2, seeds=(10, 11)))


def _trial(store: Store, number: int) -> TrialFound:
    cell = planned(f"mlp trial {number} s0", cell_at(RATES[number]), f"key-{number}", stage="search")
    run_id = log_run(store, "trial", cell, SCORES[number])
    point, values = {RATE: RATES[number]}, (SCORES[number],)
    return TrialFound(number=number, state="complete", params=point, values=values, run_ids=(run_id,))


def _confirmation(store: Store, number: int) -> Confirmation:
    values = CONFIRMED[number]
    cells = [
        planned(f"mlp confirm {number} s{seed}", cell_at(RATES[number], seed=seed), f"key-{number}-{seed}")
        for seed in (10, 11)
    ]
    runs = tuple(log_run(store, "trial", cell, value) for cell, value in zip(cells, values, strict=True))
    return Confirmation(trial=number, values=values, mean=sum(values) / len(values), standard_error=0.01, run_ids=runs)
