"""What a report has of tuning beside its pages: every trial as CSV, the winner's matrix file, pictures."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import JsonValue

from harness.charts.searches import PICTURES, tuning_pictures
from harness.contracts import Tuning
from harness.measure.trials import setting_text
from harness.report.sections.tuning import TuningSection, file_stems
from harness.report.sections.tuning_story import confirmation_of

Scalar: TypeAlias = str | int | float | bool | None
TRIALS: Final = "trials.csv"


def trials_csv(tunings: Iterable[Tuning]) -> str:
    """Return one row for each trial of all studies: settings, scores, costs, confirmation, runs; with all digits."""
    rows = [row for tuning in tunings for row in _rows(tuning)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    table = csv.DictWriter(file, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return file.getvalue()


def write_pictures(section: TuningSection | None, folder: Path) -> tuple[tuple[str, ...], ...]:
    """Write each study's pictures below `folder`/figures in place of earlier ones; return their relative paths.

    They are those that the study logged; of one that logged none they are drawn.
    """
    for path in [path for name in PICTURES for path in (folder / "figures").glob(f"tuning-*/{name}")]:
        path.unlink()
    studies = section.studies if section is not None else ()
    stems = file_stems(study.experiment for study in studies)
    written: list[tuple[str, ...]] = []
    for study in studies:
        below = f"figures/tuning-{stems[study.experiment]}"
        (folder / below).mkdir(parents=True, exist_ok=True)
        for name, picture in (study.pictures or tuning_pictures(study.tuning)).items():
            (folder / below / name).write_bytes(picture)
        written.append(tuple(f"{below}/{name}" for name in PICTURES if (folder / below / name).exists()))
    return tuple(written)


def _rows(tuning: Tuning) -> Iterable[Mapping[str, Scalar]]:
    goals = [goal.metric for goal in tuning.tune.objective.goals]
    for trial in tuning.trials:
        again = confirmation_of(tuning, trial.number)
        row: dict[str, Scalar] = {"experiment": tuning.experiment, "trial": trial.number, "state": trial.state}
        row |= {path: _plain(trial.params.get(path)) for path in tuning.tune.space}
        row |= dict(zip(goals, trial.values or [None] * len(goals), strict=True))
        row |= {name: value for name, value in trial.costs.items() if name not in goals}
        row |= {"is_feasible": trial.is_feasible, "duplicate_of": trial.duplicate_of, "epochs_seen": len(trial.epochs)}
        row |= {"seconds": trial.seconds, "start": trial.start, "winner": trial.number == tuning.winner}
        row |= {"confirmed mean": again.mean if again else None, "confirmed n": len(again.values) if again else 0}
        row |= {"confirmed standard error": again.standard_error if again else None}
        yield row | {"note": trial.note, "run_ids": " ".join(trial.run_ids)}


def _plain(value: JsonValue) -> Scalar:
    return value if value is None or isinstance(value, str | int | float) else setting_text(value)
