"""The section `Tuning` as a value: a story, tables and pictures for each study, and what all of them cost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.contracts import Tuning
from harness.measure.tuning_axes import short_titles
from harness.measure.tuning_points import ranking
from harness.report.blocks import Fact, Table
from harness.report.store import Entry, Findings, Tuned
from harness.report.tuning_budgets import budgets_table, untuned_text
from harness.report.tuning_gains import gains_table
from harness.report.tuning_tables import confirmation_table, settings_table, trials_table
from harness.report.tuning_words import story
from harness.words import amount

TRIALS_A_DIMENSION: Final = 10
"""Fewer complete trials for each dimension, and importances are a guess (a rule of thumb)."""
MEANINGS: Final = {
    "PED-ANOVA": "PED-ANOVA says how far a dimension's values in the best tenth of the trials differ from those "
    "of all trials",
    "fANOVA": "fANOVA says how much of the score's variance over the space a dimension explains by itself, "
    "according to a random forest fitted to the trials",
}


@dataclass(frozen=True, slots=True)
class TunedStudy:
    """One experiment's study; `best_file` is the winner's matrix file beside the report, empty while there is none."""

    tuning: Tuning
    run_id: str
    facts: tuple[Fact, ...]
    tables: tuple[Table, ...]
    importance: str
    best: str
    best_file: str
    pictures: Mapping[str, bytes]

    @property
    def experiment(self) -> str:
        """The experiment that was tuned."""
        return self.tuning.experiment


@dataclass(frozen=True, slots=True)
class TuningSection:
    """All studies in the order in which they began, held side by side, and what else a reader must know."""

    studies: tuple[TunedStudy, ...]
    comparisons: tuple[Table, ...]
    remarks: tuple[str, ...]


def tuning_section(findings: Findings) -> TuningSection | None:
    """Return the section, None where nothing was or is to be tuned."""
    tunings = [each.tuning for each in findings.tuned]
    begun = {tuning.experiment for tuning in tunings}
    waiting = [
        f"{name}: to be tuned, but its search has not begun." for name in findings.plan.tune if name not in begun
    ]
    if not tunings and not waiting:
        return None
    names = file_stems(tuning.experiment for tuning in tunings)
    finals = {entry.planned.key: entry for entry in findings.entries}
    ablations = {ablation.name for ablation in findings.plan.ablations}
    planned = [place.experiment for cell in findings.plan.cells for place in cell.places]
    untuned = untuned_text(tunings, [name for name in planned if name not in ablations])
    return TuningSection(
        studies=tuple(_study(each, names[each.tuning.experiment], finals) for each in findings.tuned),
        comparisons=tuple(filter(None, (gains_table(tunings, findings.entries), budgets_table(tunings)))),
        remarks=tuple(filter(None, (*waiting, untuned))),
    )


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """Return for each name one that a file can have, numbered where two would be the same.

    >>> file_stems(["small vgg", "small/vgg", "mlp"])
    {'small vgg': 'small-vgg', 'small/vgg': 'small-vgg-2', 'mlp': 'mlp'}
    """
    stems: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^\w.=-]+", "-", name).strip("-.") or "experiment"
        taken = {stem.casefold() for stem in stems.values()}
        choices = [plain, *(f"{plain}-{number}" for number in range(2, len(taken) + 3))]
        stems[name] = next(choice for choice in choices if choice.casefold() not in taken)
    return stems


def importance_text(tuning: Tuning) -> str:
    """Return what the shares mean, and a warning where they rest on too few trials; empty where there are none."""
    names = [each.evaluator for each in tuning.importances if each.shares]
    if not names:
        return ""
    meanings = [MEANINGS.get(name, f"{name} says how much each dimension matters to the score") for name in names]
    text = f"{'; '.join(meanings)}. Shares of a method sum to 100 %.{_left_out(tuning)}"
    complete, dimensions = len(ranking(tuning)), len(tuning.tune.space)
    if complete >= TRIALS_A_DIMENSION * dimensions:
        return text
    few = f"{amount(complete, 'complete trial')} for {amount(dimensions, 'dimension')}"
    return f"{text} With only {few} they may well change with the next trials: take them as a hint."


def _left_out(tuning: Tuning) -> str:
    """Return which dimensions a method says nothing of: those that not every trial has."""
    titles = short_titles(tuning.tune.space)
    lacking = {
        each.evaluator: [titles[path] for path in titles if path not in each.shares] for each in tuning.importances
    }
    return "".join(f" {name} says nothing of {', '.join(paths)}." for name, paths in lacking.items() if paths)


def _study(found: Tuned, stem: str, entries: dict[str, Entry]) -> TunedStudy:
    tuning = found.tuning
    final = entries.get(tuning.final.key) if tuning.final is not None else None
    tables = (trials_table(tuning), confirmation_table(tuning), settings_table(tuning))
    return TunedStudy(
        tuning=tuning,
        run_id=found.run_id,
        facts=story(tuning, final),
        tables=tuple(table for table in tables if table is not None),
        importance=importance_text(tuning),
        best=found.best,
        best_file=f"best-{stem}.yaml" if found.best else "",
        pictures=found.pictures,
    )
