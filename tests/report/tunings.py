"""Tuning studies as the tuner leaves them: conditional dimensions, log scales, pruned, failed and infeasible trials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.contracts import (
    Cell,
    Choice,
    Choices,
    Confirm,
    Confirmation,
    Dataset,
    Goal,
    Importances,
    Objective,
    Place,
    PlannedCell,
    Range,
    Recipe,
    TrialFound,
    Tune,
    Tuning,
    Validation,
)
from harness.contracts.tuned import BEST_FILE, TUNING_FILE
from harness.measure.trials import ranking
from tests.report.studies import KeptStore, Run

LR, DEPTH, OPTIMIZER = "recipe.optimizer.lr", "model.depth", "recipe.optimizer.name"
MOMENTUM, AUGMENT, SMOOTHING = "recipe.optimizer.momentum", "recipe.augment", "recipe.label_smoothing"
SPACE: dict[str, Range | Choices] = {
    OPTIMIZER: Choices(choices=("sgd", "adamw")),
    LR: Range(low=1e-4, high=1.0, log=True),
    MOMENTUM: Range(low=0.0, high=0.99, when={OPTIMIZER: "sgd"}),
    DEPTH: Range(low=1, high=6, int=True),
    AUGMENT: Choices(choices=([], ["flip"], [{"crop": {"pad": 4}}, "flip"])),
    SMOOTHING: Range(low=0.0, high=0.2),
}
START = {OPTIMIZER: "sgd", LR: 0.1, MOMENTUM: 0.9, DEPTH: 2, AUGMENT: ["flip"], SMOOTHING: 0.0}
ACCURACY = Goal()
LIMITS = {"model/parameters": 1_000_000.0}
PARAMETERS = Goal(metric="model/parameters", direction="minimize")


def start_cell(name: str = "mlp", **changes: Any) -> Cell:
    dataset = Dataset(name="digits", validation=Validation(size=100))
    cell = Cell(dataset=dataset, model=Choice(name=name.replace("-", "_")), recipe=Recipe(), seed=0)
    return cell.model_copy(update=changes)


def tune_of(*, trials: int = 40, goals: tuple[Goal, ...] = (ACCURACY,), **changes: Any) -> Tune:
    given: dict[str, Any] = {
        "start": start_cell(),
        "seeds": (0, 1),
        "trials": trials,
        "objective": Objective(goals=goals),
        "pruner": "hyperband",
        "space": SPACE,
        "confirm": Confirm(top=3, seeds=(10, 11, 12)),
    }
    return Tune(**given | changes)


def trial_of(number: int, score: float | None = None, **changes: Any) -> TrialFound:
    """Return a trial, complete if it has a score, at the experiment's own settings."""
    found = TrialFound(
        number=number,
        state="failed" if score is None else "complete",
        params=START,
        values=() if score is None else (score,),
        seconds=10.0,
        run_ids=(f"trial-run-{number}",),
    )
    return found.model_copy(update=changes)


def tuning_of(*trials: TrialFound, **changes: Any) -> Tuning:
    """Return a study of these trials that is still searching."""
    given: dict[str, Any] = {"study": "a study", "experiment": "mlp", "tune": tune_of(), "stage": "search"}
    return Tuning(**given | {"trials": trials, "seconds": 400.0} | changes)


def search(count: int = 40, *, seed: int = 0, goals: tuple[Goal, ...] = (ACCURACY,), **changes: Any) -> Tuning:
    """Return a whole study by random search in which every kind of trial occurs."""
    random = np.random.default_rng(seed)
    trials = [_trial(number, _point(random) if number else START, random, len(goals)) for number in range(count)]
    if count > 9:
        trials[9] = trials[0].model_copy(update={"number": 9, "duplicate_of": 0, "seconds": 0.0})
    tuning = tuning_of(
        *trials, tune=tune_of(trials=count, goals=goals, constraints=LIMITS), retried=1, seconds=count * 9.5
    )
    return tuning.model_copy(update={"importances": IMPORTANCES} | changes)


def confirmed(tuning: Tuning) -> Tuning:
    """Return the study with its best three confirmed; the second of the search wins."""
    best = ranking(tuning)[:3]
    gains = (-0.012, -0.004, -0.015)
    found = tuple(_confirmation(trial, gain) for trial, gain in zip(best, gains, strict=True))
    winner = best[1].number
    return tuning.model_copy(
        update={"stage": "done", "confirmed": found, "winner": winner, "winner_time": "2026-11-21T05:00:00+00:00"}
    )


def final_cell(experiment: str = "mlp", seed: int = 0) -> PlannedCell:
    name = f"{experiment} tuned"
    return PlannedCell(
        name=f"{name} s{seed}",
        cell=start_cell(experiment, seed=seed),
        places=(Place(experiment=name),),
        key=f"{experiment}_tuned_s{seed}",
        source_digest="source",
    )


def keep_tuning(store: KeptStore, tuning: Tuning, best: str = "") -> str:
    """Keep a tuning study's run with what is logged with it; return the run's id."""
    run_id = f"study-run-{len(store.matrices)}"
    store.matrices.append(Run(run_id, "study", tuning.experiment, "FINISHED", {}, {}))
    (store.folder / run_id).mkdir(parents=True)
    (store.folder / run_id / TUNING_FILE).write_text(tuning.model_dump_json(), encoding="utf-8")
    if best:
        (store.folder / run_id / BEST_FILE).write_text(best, encoding="utf-8")
    return run_id


IMPORTANCES = (
    Importances(evaluator="PED-ANOVA", shares={LR: 0.52, OPTIMIZER: 0.2, DEPTH: 0.15, AUGMENT: 0.09, SMOOTHING: 0.04}),
    Importances(evaluator="fANOVA", shares={LR: 0.47, DEPTH: 0.31, AUGMENT: 0.12, OPTIMIZER: 0.06, SMOOTHING: 0.04}),
)


def _point(random: np.random.Generator) -> dict[str, Any]:
    optimizer = str(random.choice(["sgd", "adamw"]))
    momentum = {MOMENTUM: float(random.uniform(0, 0.99))} if optimizer == "sgd" else {}
    return {
        OPTIMIZER: optimizer,
        LR: float(10 ** random.uniform(-4, 0)),
        **momentum,
        DEPTH: int(random.integers(1, 7)),
        AUGMENT: SPACE[AUGMENT].choices[int(random.integers(3))],  # type: ignore[union-attr]
        SMOOTHING: float(random.uniform(0, 0.2)),
    }


def _trial(number: int, params: dict[str, Any], random: np.random.Generator, goals: int) -> TrialFound:
    best_lr = -1.2 if params[OPTIMIZER] == "sgd" else -3.0
    miss = math.log10(params[LR]) - best_lr
    score = max(0.1, 0.62 - 0.06 * miss**2 + 0.012 * params[DEPTH] + float(random.normal(0, 0.006)))
    cost = 40_000.0 * 1.9 ** params[DEPTH]
    kept: dict[str, Any] = {"number": number, "params": params, "seconds": 8.0 + params[DEPTH]}
    kept |= {"start": f"2026-11-21T04:{number % 60:02}:00+00:00", "run_ids": (f"trial-run-{number}",)}
    epochs = {epoch: score * (1 - 0.5 / epoch) for epoch in range(1, 6)}
    if number % 17 == 5:
        return TrialFound(state="failed", note="CellError: loss is not finite at epoch 2", **kept)
    if number and score < 0.45:
        seen = {epoch: value for epoch, value in epochs.items() if epoch < 3}
        return TrialFound(state="pruned", epochs=seen, note="at epoch 2", **kept)
    values = (score, cost)[:goals]
    costs = {"model/parameters": cost}
    return TrialFound(
        state="complete", values=values, costs=costs, epochs=epochs, is_feasible=params[DEPTH] < 6, **kept
    )


def _confirmation(trial: TrialFound, gain: float) -> Confirmation:
    values = tuple(trial.values[0] + gain + step for step in (-0.005, 0.0, 0.005))
    runs = tuple(f"confirm-run-{trial.number}-{seed}" for seed in (10, 11, 12))
    error = 0.005 / math.sqrt(3)
    mean = trial.values[0] + gain
    return Confirmation(trial=trial.number, values=values, mean=mean, standard_error=error, run_ids=runs)
