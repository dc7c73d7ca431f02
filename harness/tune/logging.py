"""A tuning study's own run in the store: its settings, each trial's score, what was found, the winner as a file."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.trial import FrozenTrial, TrialState
from ruamel.yaml import YAML

from harness.charts.searches import tuning_pictures
from harness.contracts import Choices, Importances, PlannedCell, Range, TrialFound, Tuning
from harness.contracts.tuned import BEST_FILE, TUNING_FILE
from harness.execute.locks import is_alive
from harness.matrix.document import LONGEST_NAME
from harness.seeds import text_digest
from harness.track import Record
from harness.tune.context import TuneContext
from harness.words import metric_text

FEWEST: Final = 8
"""Complete trials below which no importance is given."""
HEADER = """\
# The winner of the tuning study {title}, written by the harness.
# `harness run` with this file makes the same cell again: with the same store it is done already.
"""


def start_study_run(context: TuneContext, tags: Mapping[str, str], environment: str) -> str:
    """Start the study's run, or go on with the one that there is, and return its id."""
    store = context.store
    former = _study_record(context)
    if former is not None:
        if former.status != "RUNNING" or not is_alive(former):
            store.resume_run(former.run_id)
            store.tag(former.run_id, tags)
        return former.run_id
    run_id = store.start_run(
        context.study, "study", f"{context.name} tuning", tags={**_tags(context), **tags}, params=_params(context)
    )
    store.log_text(run_id, environment, "environment.txt")
    return run_id


def _study_record(context: TuneContext) -> Record | None:
    """Return the newest run of this very study."""
    runs = [each for each in context.store.records(context.study) if each.kind == "study"]
    mine = [each for each in runs if each.key == context.digest and each.tags["harness.experiment"] == context.name]
    return mine[-1] if mine else None


def _tags(context: TuneContext) -> dict[str, str]:
    start = context.tune.start
    return {
        "harness.key": context.digest,
        "harness.experiment": context.name,
        "harness.model": start.model.name,
        "harness.dataset": start.dataset.name,
        "harness.data_fingerprint": context.fingerprint,
        "harness.optuna_study": context.title,
    }


def _params(context: TuneContext) -> dict[str, str | int | float | None]:
    tune = context.tune
    goals = ", ".join(f"{goal.direction} {goal.metric}" for goal in tune.objective.goals)
    return {
        "tune.objective": goals,
        "tune.seeds": tune.objective.seeds,
        "tune.sampler": tune.sampler,
        "tune.pruner": tune.pruner,
        **{f"tune.space.{path}": _text(dimension) for path, dimension in tune.space.items()},
        **{f"tune.constraints.{name}": most for name, most in tune.constraints.items()},
    }


def _text(dimension: Range | Choices) -> str:
    if isinstance(dimension, Choices):
        return f"one of {list(dimension.choices)}"
    parts = [f"{dimension.low:g} to {dimension.high:g}"]
    parts += [f"step {dimension.step:g}"] if dimension.step else []
    parts += ["log"] if dimension.log else []
    return ", ".join(parts)


def log_trial(context: TuneContext, run_id: str, found: TrialFound, best: TrialFound | None) -> None:
    """Log a trial's score and the best so far; the step is the trial's number. It is in the journal first."""
    told = {"trial": found.number, "state": found.state, "values": found.values, "keys": found.keys}
    context.store.note("trial", context.study, run_id, experiment=context.name, **told)
    metric = context.tune.objective.first.metric
    scores = {f"search/{metric}": found.values[0]} if found.values else {}
    scores |= {f"search/best_{metric.replace('/', '_')}": best.values[0]} if best is not None else {}
    if scores:
        context.store.log_epoch(run_id, found.number, scores)


def log_tuning(context: TuneContext, run_id: str, tuning: Tuning) -> None:
    """Log what the study has found: `tuning.json`, pictures, and the winner as a matrix file."""
    store, texts = context.store, {TUNING_FILE: tuning.model_dump_json(indent=1)}
    if tuning.final is not None:
        texts[BEST_FILE] = _best_yaml(context.title, context.study, tuning.finals)
    for file, text in texts.items():
        store.log_text(run_id, text, file)
    files = {file: text_digest(text) for file, text in texts.items()}
    store.note("search", context.study, run_id, experiment=context.name, stage=tuning.stage, files=files)
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in tuning_pictures(tuning).items():
            (Path(folder) / name).write_bytes(picture)
        store.log_folder(run_id, Path(folder))
    store.tag(run_id, {"mlflow.note.content": _note(tuning)})


def _note(tuning: Tuning) -> str:
    """Return the study as a small table for the run's page."""
    states = [each.state for each in tuning.trials]
    rows = {
        "trials": f"{len(states)}: {states.count('complete')} complete, {states.count('pruned')} pruned, "
        f"{states.count('failed')} failed",
        "stage": tuning.stage,
        "winner": "none yet" if tuning.winner is None else f"trial {tuning.winner}",
    }
    metric = tuning.tune.objective.first.metric
    best = next((each.values[0] for each in tuning.trials if each.number == tuning.winner and each.values), None)
    rows |= {} if best is None else {f"search {metric}": metric_text(metric, best)}
    rows |= {
        f"confirmed {metric}, trial {each.trial}": metric_text(metric, each.mean)
        for each in tuning.confirmed
        if each.mean is not None
    }
    return "\n".join(["| tuning | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _best_yaml(title: str, study: str, finals: Sequence[PlannedCell]) -> str:
    """Return a matrix file with the winner's cells, which differ by their seed alone."""
    planned = finals[0]
    cell = planned.cell.model_dump(mode="json", exclude_none=True)
    experiment: dict[str, Any] = {name: cell[name] for name in ("model", "recipe") if name in cell}
    experiment |= {"train_on": cell["train_on"], "test": cell["test"]}
    document = {
        "version": 1,
        "study": f"{study[: LONGEST_NAME - 5]}-best",
        "dataset": cell["dataset"],
        "seeds": [each.cell.seed for each in finals],
        "experiments": {planned.places[0].experiment.replace(" ", "-")[:LONGEST_NAME]: experiment},
    }
    yaml, text = YAML(), StringIO()
    yaml.default_flow_style = None
    yaml.width = 100
    yaml.dump(document, text)
    return HEADER.format(title=title) + text.getvalue()


def importances(study: optuna.Study, seed: int) -> tuple[Importances, ...]:
    """Return the importances for the first goal by both evaluators, as far as each can say.

    Watanabe et al. 2023 (PED-ANOVA: what tells the best tenth from the rest) and Hutter et al. 2014 (fANOVA: what
    explains the variance over the whole space); they answer different questions and may disagree.
    """
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if len(complete) < FEWEST or len({trial.values[0] for trial in complete}) < 2:
        return ()
    judged = study if len(study.directions) == 1 else _by_first_goal(study, complete)
    evaluators = {
        "PED-ANOVA": optuna.importance.PedAnovaImportanceEvaluator(),
        "fANOVA": optuna.importance.FanovaImportanceEvaluator(seed=seed),
    }
    found = []
    for name, evaluator in evaluators.items():
        try:
            shares = optuna.importance.get_param_importances(judged, evaluator=evaluator)
        except (ValueError, RuntimeError):
            continue  # every dimension is conditional, or never varied
        if shares and all(map(math.isfinite, shares.values())):
            found.append(Importances(evaluator=name, shares=shares))
    return tuple(found)


def _by_first_goal(study: optuna.Study, complete: Sequence[FrozenTrial]) -> optuna.Study:
    """Return a study in memory that has the first goal alone."""
    single = optuna.create_study(direction=study.directions[0])
    for trial in complete:
        parts = {"params": trial.params, "distributions": trial.distributions, "value": trial.values[0]}
        single.add_trial(optuna.trial.create_trial(**parts))
    return single
