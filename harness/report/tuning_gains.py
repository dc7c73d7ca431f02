"""What each experiment's tuning brought, side by side: in the search, on fresh seeds, on the test set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from harness.contracts import Tuning
from harness.measure.tuning_points import winner_of
from harness.report.blocks import Column, Table, Value, named
from harness.report.store import Entry
from harness.report.tuning_figures import confirmation_of
from harness.report.tuning_words import SAMPLERS
from harness.report.variants import TEST
from harness.words import NOTHING, amount, metric_difference, metric_spread, metric_text, spread_of

COLUMNS: Final = (
    Column("experiment", numeric=False),
    Column("sampler", numeric=False),
    Column("own settings, search", hint="score of trial 0"),
    Column("winner, search"),
    Column("winner, fresh seeds", hint="mean over the seeds of the confirmation"),
    Column("optimism", hint="search score minus the mean on fresh seeds"),
    Column("own settings, test %", hint="mean over the experiment's seeds"),
    Column("tuned, test %", hint="the winner's final fit"),
)


def gains_table(tunings: Sequence[Tuning], entries: Sequence[Entry]) -> Table | None:
    """Return one row for each experiment whose winner is fixed, None of fewer than two."""
    chosen = [tuning for tuning in tunings if winner_of(tuning) is not None]
    if len(chosen) < 2:
        return None
    return Table("What tuning brought", COLUMNS, tuple(_row(each, entries) for each in chosen), sampler_notes(chosen))


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


def _row(tuning: Tuning, entries: Sequence[Entry]) -> tuple[Value, ...]:
    metric, start, winner = tuning.tune.objective.first.metric, tuning.start, winner_of(tuning)
    found, optimism = confirmation_of(tuning, tuning.winner), tuning.optimism
    own = [entry.metric(TEST) for entry in entries if _is_of(entry, tuning.experiment)]
    final = next((entry for entry in entries if tuning.final and entry.planned.key == tuning.final.key), None)
    known = [value for value in own if value is not None]
    return (
        named(tuning.experiment),
        named(SAMPLERS[tuning.tune.sampler]),
        _figure(metric, start.values[0] if start is not None and start.values else None),
        _figure(metric, winner.values[0] if winner is not None and winner.values else None),
        _figure(metric, found.mean if found is not None else None),
        Value(NOTHING) if optimism is None else Value(metric_difference(metric, optimism), optimism),
        _figure(TEST, fmean(known) if known else None),
        _figure(TEST, final.metric(TEST) if final is not None else None),
    )


def _is_of(entry: Entry, experiment: str) -> bool:
    """Whether a cell is the experiment as it stands, not one of an axis' other variants."""
    return any(place.experiment == experiment and not place.label for place in entry.planned.places)


def _figure(metric: str, value: float | None) -> Value:
    if value is None:
        return Value(NOTHING)
    text = metric_text(metric, value)
    return Value(text.removesuffix(" %") if metric == TEST else text, value)
