"""Searches: what each has found, what tuning brought and what it cost, side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final

from harness.charts.dimensions import parallel_coordinates, slices
from harness.charts.searches import importance, search_fronts, search_history
from harness.contracts import Tuning
from harness.escape import file_stem
from harness.measure.trials import ranking, short_titles, winner_of
from harness.report.blocks import (
    Block,
    Charts,
    Code,
    Column,
    Fact,
    Facts,
    Fold,
    Group,
    Run,
    Section,
    Table,
    Text,
    Value,
    named,
)
from harness.report.context import Context
from harness.report.sections.tuning_story import (
    SAME_IMAGES,
    SAMPLERS,
    confirmation_of,
    confirmation_table,
    count_of_kinds,
    distinct_runs,
    settings_table,
    story,
    trials_table,
)
from harness.report.store import Entry, Findings, Tuned
from harness.report.variants import TEST
from harness.words import NOTHING, amount, duration, metric_difference, metric_spread, metric_text, spread_of

TRIALS_A_DIMENSION: Final = 10
"""Fewer complete trials for each dimension, and importances are a guess (a rule of thumb)."""
MEANINGS: Final = {
    "PED-ANOVA": "PED-ANOVA says how far a dimension's values in the best tenth of the trials differ from those "
    "of all trials",
    "fANOVA": "fANOVA says how much of the score's variance over the space a dimension explains by itself, "
    "according to a random forest fitted to the trials",
}
OPEN_UP_TO: Final = 3
"""Searches that are shown at once; more are folded."""
LEVEL: Final = 1.1
"""Budgets count as equal up to this ratio of the largest to the smallest."""
BUDGETS: Final = (
    Column("experiment", numeric=False),
    Column("sampler", numeric=False),
    Column("dimensions"),
    Column("trials"),
    Column("complete"),
    Column("pruned"),
    Column("failed"),
    Column("fits", hint="runs of search and confirmation; a duplicate takes none"),
    Column("time of fitting", hint="all trials and seeds of the search together; confirmation not counted"),
    Column("time passed", hint="wall clock of search and confirmation"),
)
GAINS: Final = (
    Column("experiment", numeric=False),
    Column("sampler", numeric=False),
    Column("own settings, search", hint="score of trial 0"),
    Column("winner, search"),
    Column("winner, fresh seeds", hint="mean over the seeds of the confirmation"),
    Column("optimism", hint="of the search's own winner: its score minus its mean on fresh seeds"),
    Column("own settings, test %", hint="mean over the experiment's seeds"),
    Column("tuned, test %", hint="the winner's final fits: mean over the same seeds"),
)


def section(context: Context) -> Section | None:
    """Return all searches in the order in which they began, held side by side; None where nothing is tuned."""
    findings = context.findings
    tunings = [each.tuning for each in findings.tuned]
    begun = {tuning.experiment for tuning in tunings}
    waiting = [
        f"{name}: to be tuned, but its search has not begun." for name in findings.plan.tune if name not in begun
    ]
    if not tunings and not waiting:
        return None
    ablations = {ablation.name for ablation in findings.plan.ablations}
    planned = [place.experiment for cell in findings.plan.cells for place in cell.places]
    untuned = untuned_text(tunings, [name for name in planned if name not in ablations])
    remarks = (Text(remark) for remark in (*waiting, untuned) if remark)
    comparisons = filter(None, (gains_table(tunings, findings.entries), budgets_table(tunings)))
    return Section("tuning", "Tuning", (*remarks, *comparisons, *_studies(findings)))


def study_blocks(found: Tuned, stem: str, entries: Mapping[str, Entry], *, is_first: bool = True) -> tuple[Block, ...]:
    """Return a search: its story, the winner's matrix file, tables, and charts.

    Args:
        found: The search.
        stem: What it is called in file names.
        entries: The study's cells by their keys; the winner's final fits may be among them.
        is_first: Whether its settings and scores are shown at once.
    """
    tuning = found.tuning
    finals = [entries[each.id] for each in tuning.finals if each.id in entries]
    runs = Fact("MLflow run", found.run_id, runs=(Run(tuning.experiment, found.run_id),))
    tables = filter(None, (trials_table(tuning), confirmation_table(tuning), settings_table(tuning)))
    history, fronts = search_history(tuning), tuple(search_fronts(tuning))
    return (
        Facts((*story(tuning, finals), runs)),
        *_winners_file(found.best, f"best-{stem}.yaml"),
        *tables,
        *((Charts((history,)),) if history is not None else ()),
        *((Charts(fronts),) if fronts else ()),
        *_importances(tuning),
        *_settings_and_scores(tuning, is_open=is_first),
    )


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """Return for each name one that a file can have, numbered where two would be the same.

    >>> file_stems(["small vgg", "small/vgg", "mlp"])
    {'small vgg': 'small-vgg', 'small/vgg': 'small-vgg-2', 'mlp': 'mlp'}
    """
    stems: dict[str, str] = {}
    for name in names:
        plain, taken = file_stem(name), set(stems.values())
        choices = [plain, *(f"{plain}-{number}" for number in range(2, len(taken) + 3))]
        stems[name] = next(choice for choice in choices if choice not in taken)
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


def _studies(findings: Findings) -> Iterator[Block]:
    """Yield each search below its name; many are folded, all but the first."""
    stems = file_stems(each.tuning.experiment for each in findings.tuned)
    entries = {entry.planned.id: entry for entry in findings.entries}
    for place, each in enumerate(findings.tuned):
        name = each.tuning.experiment
        blocks = study_blocks(each, stems[name], entries, is_first=place == 0)
        yield Group(name, blocks) if len(stems) <= OPEN_UP_TO else Fold(name, blocks, is_open=place == 0)


def _winners_file(best: str, file: str) -> tuple[Block, ...]:
    if not best:
        return ()
    how = f"harness run {file} makes the winner's cells again; with the same store they are done already."
    return (Fold("The winner as a matrix file", (Text(how), Code(file, best))),)


def _importances(tuning: Tuning) -> tuple[Block, ...]:
    charts = tuple(importance(tuning, found) for found in tuning.importances if found.shares)
    return (Group("Importance of each dimension", (Text(importance_text(tuning)), Charts(charts))),) if charts else ()


def _settings_and_scores(tuning: Tuning, *, is_open: bool) -> tuple[Block, ...]:
    lines, each = parallel_coordinates(tuning), slices(tuning)
    charts = (*((Charts((lines,)),) if lines is not None else ()), *((Charts(tuple(each)),) if each else ()))
    return (Fold(f"Settings and scores of {tuning.experiment}", charts, is_open),) if charts else ()


def budgets_table(tunings: Sequence[Tuning]) -> Table | None:
    """Return one row for each tuned experiment, None of fewer than two."""
    if len(tunings) < 2:
        return None
    return Table("What each experiment's tuning cost", BUDGETS, tuple(map(_budget_row, tunings)), (verdict(tunings),))


def verdict(tunings: Sequence[Tuning]) -> str:
    """Return whether the experiments had the same number of trials, and if not, who had more."""
    if any(tuning.stage == "search" for tuning in tunings):
        return "Not all searches are over: whether budgets are equal cannot be said yet."
    trials = {tuning.experiment: _ended(tuning) for tuning in tunings}
    least, most = min(trials, key=lambda name: trials[name]), max(trials, key=lambda name: trials[name])
    if trials[most] <= LEVEL * trials[least]:
        return f"Equal budgets: {_between(trials[least], trials[most])} each."
    counts = f"{amount(trials[most], 'trial')} for {most}, {trials[least]} for {least}"
    return f"Budgets are not equal ({counts}): the comparison favors {most}."


def untuned_text(tunings: Sequence[Tuning], experiments: Sequence[str]) -> str:
    """Return which experiments were not tuned beside those that were; empty where all were."""
    tuned = {tuning.experiment for tuning in tunings}
    others = [name for name in dict.fromkeys(experiments) if name not in tuned]
    if not others or not tuned:
        return ""
    return f"Not tuned: {', '.join(others)}. A tuned experiment that is ahead of these may be so by its tuning alone."


def _budget_row(tuning: Tuning) -> tuple[Value, ...]:
    counts = count_of_kinds(tuning)
    fitting = sum(trial.seconds for trial in tuning.trials)
    numbers = [len(tuning.tune.space), len(tuning.trials)]
    numbers += [counts.get(state, 0) for state in ("complete", "pruned", "failed")]
    numbers += [distinct_runs((*tuning.trials, *tuning.confirmed))]
    return (
        named(tuning.experiment),
        named(SAMPLERS[tuning.tune.sampler]),
        *(Value(f"{number:,}", number) for number in numbers),
        Value(duration(fitting), fitting),
        Value(duration(tuning.seconds), tuning.seconds),
    )


def _ended(tuning: Tuning) -> int:
    return sum(trial.state != "running" for trial in tuning.trials)


def _between(least: int, most: int) -> str:
    return amount(most, "trial") if least == most else f"{least} to {amount(most, 'trial')}"


def gains_table(tunings: Sequence[Tuning], entries: Sequence[Entry]) -> Table | None:
    """Return one row for each experiment whose winner is fixed, None of fewer than two."""
    chosen = [tuning for tuning in tunings if winner_of(tuning) is not None]
    if len(chosen) < 2:
        return None
    notes = (*unlike_notes(chosen), *sampler_notes(chosen), SAME_IMAGES)
    return Table("What tuning brought", GAINS, tuple(_gain_row(each, entries) for each in chosen), notes)


def unlike_notes(tunings: Sequence[Tuning]) -> tuple[str, ...]:
    """Return whose tuned and own settings are fitted on other images or with other numbers of seeds."""
    notes = []
    for each in tunings:
        if each.final is not None and each.final.cell.train_on != each.tune.start.train_on:
            both = f"{each.final.cell.train_on}, its own settings on {each.tune.start.train_on}"
            notes.append(f"{each.experiment}: tuned is fitted on {both}; what that brings is not by the settings")
        if len(each.finals) < len(each.tune.seeds):
            notes.append(f"{each.experiment}: tuned was fitted with one seed, its own settings with several")
    return tuple(notes)


def sampler_notes(tunings: Sequence[Tuning]) -> tuple[str, ...]:
    """Return what each sampler's winners reached on fresh seeds, where several searched the same space repeatedly."""
    reached: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for tuning in tunings:
        found = confirmation_of(tuning, tuning.winner)
        if found is not None and found.mean is not None:
            reached[_searched(tuning)][tuning.tune.sampler].append(found.mean)
    metrics = {_searched(tuning): tuning.tune.objective.first.metric for tuning in tunings}
    return tuple(
        _compared(metrics[searched], by_sampler)
        for searched, by_sampler in reached.items()
        if len(by_sampler) > 1 and all(len(means) > 1 for means in by_sampler.values())
    )


def _searched(tuning: Tuning) -> str:
    """Return what studies must share to be compared: goal, budget, space, and settings to depart from."""
    start = tuning.tune.start.model_copy(update={"seed": 0}).model_dump_json()
    dimensions = {path: each.model_dump_json() for path, each in tuning.tune.space.items()}
    return f"{tuning.tune.objective.model_dump_json()} {tuning.tune.trials} {dimensions} {start}"


def _compared(metric: str, by_sampler: Mapping[str, Sequence[float]]) -> str:
    spreads = {SAMPLERS[sampler]: spread_of(means) for sampler, means in by_sampler.items()}
    texts = [
        f"{name} {metric_spread(metric, spread)} over {amount(spread.count, 'study', 'studies')}"
        for name, spread in spreads.items()
        if spread is not None
    ]
    return f"Winners on fresh seeds, mean ± standard deviation over studies: {'; '.join(texts)}."


def _gain_row(tuning: Tuning, entries: Sequence[Entry]) -> tuple[Value, ...]:
    metric, start, winner = tuning.tune.objective.first.metric, tuning.start, winner_of(tuning)
    found, optimism = confirmation_of(tuning, tuning.winner), tuning.optimism
    own = [entry.metric(TEST) for entry in entries if _is_of(entry, tuning.experiment)]
    ids = {each.id for each in tuning.finals}
    tuned = [entry.metric(TEST) for entry in entries if entry.planned.id in ids]
    reached = [value for value in tuned if value is not None]
    known = [value for value in own if value is not None]
    return (
        named(tuning.experiment),
        named(SAMPLERS[tuning.tune.sampler]),
        _figure(metric, start.values[0] if start is not None and start.values else None),
        _figure(metric, winner.values[0] if winner is not None and winner.values else None),
        _figure(metric, found.mean if found is not None else None),
        Value(NOTHING) if optimism is None else Value(metric_difference(metric, optimism), optimism),
        _figure(TEST, fmean(known) if known else None),
        _figure(TEST, fmean(reached) if reached else None),
    )


def _is_of(entry: Entry, experiment: str) -> bool:
    """Whether a cell is the experiment as it stands, not one of an axis' other variants."""
    return any(place.experiment == experiment and not place.label for place in entry.planned.places)


def _figure(metric: str, value: float | None) -> Value:
    if value is None:
        return Value(NOTHING)
    text = metric_text(metric, value)
    return Value(text.removesuffix(" %") if metric == TEST else text, value)
