"""What accuracy costs: seconds, parameters, energy; which model is ahead when; and whether the time was foreseen."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean, median
from typing import Final

import numpy as np

from harness.charts.cost import (
    EARLY,
    SHORTEST,
    Line,
    Offer,
    Price,
    Timed,
    accuracy_by_seconds,
    pareto_front,
    price_scatter,
    round_times,
)
from harness.charts.style import Chart
from harness.contracts.metrics import EPOCH_SECONDS, JOULES, PARAMETERS, TOTAL_SECONDS, TRAIN_SECONDS
from harness.measure.diagnosis import History, values_of
from harness.measure.machine import FILE, read_energy
from harness.report.blocks import Charts, Column, Items, Section, Table, Value, named
from harness.report.context import Context
from harness.report.sections.curves import Curves, all_curves, curves_of
from harness.report.store import Entry, ReportStore
from harness.report.variants import (
    TEST,
    VALIDATION,
    Variant,
    dataset_name,
    device_of,
    parameters_value,
    share_value,
    train_time,
)
from harness.words import NOTHING, amount, duration, energy, percent, round_duration, whole

ESTIMATE: Final = "estimated_seconds"
"""Tag of a run: what `harness run` foresaw for the whole cell, from cells like it that were finished."""
MOST: Final = 12
"""Lines that can be told apart."""
TOLD: Final = 5
"""Times at which the highest is told in words."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What each variant costs and reaches, by time on one device or by parameters; never empty."""

    price: Price
    title: str
    offers: tuple[Offer, ...]

    @property
    def front(self) -> tuple[Offer, ...]:
        """The offers that none beats in both price and accuracy, the cheapest first."""
        places = pareto_front([each.cost for each in self.offers], [each.accuracy for each in self.offers])
        return tuple(self.offers[place] for place in places)

    @property
    def words(self) -> str:
        """The front in words."""
        text = duration if self.price == "time" else whole
        listed = ", ".join(f"{each.name} ({percent(each.accuracy)} %, {text(each.cost)})" for each in self.front)
        return f"{self.title}: on the front are {listed}"


@dataclass(frozen=True, slots=True)
class Race:
    """At least two variants on the same images and device by seconds, those with the best accuracy first."""

    title: str
    curves: tuple[Timed, ...]
    notes: tuple[str, ...]

    @property
    def words(self) -> str:
        """What the mean lines have reached by round times, and where the highest of them ends."""
        points = sorted((seconds, accuracy, each.name) for each in self.curves for seconds, accuracy in each.mean)
        reached: dict[tuple[float, str], float] = {}
        # A seed may begin before the mean does.
        times = [limit for limit in round_times(*self._span) if limit >= points[0][0]]
        for limit in times[::-1][:: math.ceil(len(times) / TOLD) or 1][::-1]:
            highest = max((point for point in points if point[0] <= limit), key=lambda point: point[1])
            reached.setdefault(highest[1:], limit)
        told = [f"{name} {percent(top)} % by {round_duration(limit)}" for (top, name), limit in reached.items()]
        last, best = max(((each.mean[-1], each.name) for each in self.curves), key=lambda end: end[0][1])
        end = f"the highest at its end is {best}, {percent(last[1])} % after {duration(last[0])}"
        return f"Highest so far: {', '.join(told)}; {end}." if told else f"{end[0].upper()}{end[1:]}."

    @property
    def _span(self) -> tuple[float, float]:
        """The seconds from the first that can be compared to the last."""
        first = min((each.mean[0][0] for each in self.curves if len(each.mean) > 1), default=0.0)
        times = [seconds for each in self.curves for line in each.seeds for seconds, _ in line]
        return max(min(times), first / EARLY), max(times)


def section(context: Context) -> Section | None:
    """Return charts and a table of what accuracy costs; None where no cell has finished."""
    is_tested = any(variant.values(TEST) for variant in context.variants)
    metric = TEST if is_tested else VALIDATION
    shown = [variant for variant in context.variants if _accuracy(variant, metric) is not None]
    if not shown:
        return None
    priced, baseline = (*by_time(shown, metric), *by_parameters(shown, metric)), context.findings.plan.report.baseline
    races = time_curves(context.variants, context.store, context.once(all_curves), baseline or "")
    words = [f"{race.words} {'; '.join(race.notes)}." for race in races]
    return Section(
        "cost",
        "Cost",
        (
            Charts(tuple(_charts(priced, races, metric))),
            Items((*(f"{each.words}." for each in priced), *words), "muted"),
            cost_table(shown, metric, priced),
            Items((*time_texts(shown), energy_text(shown, context.store))),
        ),
    )


def by_time(variants: Sequence[Variant], metric: str) -> list[Offers]:
    """Return the offers on each device: seconds of different devices have no common scale."""
    by_device: dict[str, list[Offer]] = defaultdict(list)
    for variant in variants:
        for device in variant.devices:
            entries = [entry for entry in variant.finished if device_of(entry) == device]
            seconds = [each for entry in entries if (each := entry.metric(TRAIN_SECONDS)) is not None]
            accuracies = [each for entry in entries if (each := entry.metric(metric)) is not None]
            if seconds and accuracies and math.isfinite(fmean(accuracies)):
                by_device[device].append(Offer(variant.name, max(fmean(seconds), SHORTEST), fmean(accuracies)))
    what = f"{_split(metric)} accuracy by time of fitting"
    return [Offers("time", f"{what} on {device}", tuple(offers)) for device, offers in by_device.items()]


def by_parameters(variants: Sequence[Variant], metric: str) -> list[Offers]:
    """Return the offers of all variants with parameters, in one; none without any."""
    offers = []
    for variant in variants:
        parameters, accuracy = variant.spread(PARAMETERS), _accuracy(variant, metric)
        if parameters is not None and accuracy is not None and parameters.mean >= 1:
            offers.append(Offer(variant.name, parameters.mean, accuracy))
    title = f"{_split(metric)} accuracy by number of parameters"
    return [Offers("parameters", title, tuple(offers))] if offers else []


def time_curves(
    variants: Sequence[Variant], store: ReportStore, known: Sequence[Curves] = (), baseline: str = ""
) -> tuple[Race, ...]:
    """Return a chart for each data set and device where two variants or more have a validation accuracy.

    Without a single line of epochs there is none: it would be the scatter chart again.

    Args:
        variants: What is to be drawn.
        store: Where curves that are not known are read from.
        known: Curves that were read before.
        baseline: The experiment that is drawn however poor it is.
    """
    groups: dict[tuple[str, str], list[Variant]] = defaultdict(list)
    for variant in variants:
        for device in variant.devices:
            groups[variant.cell.dataset.images, device].append(variant)
    by_cells = {each.variant.cells: each for each in known}
    is_only = len({images for images, _ in groups}) == 1
    charts = []
    for (_, device), group in groups.items():
        ordered = _ordered(group, device)
        chosen = _chosen(ordered, baseline)
        curves = [_curve(each, device, by_cells.get(each.cells) or curves_of(each, store)) for each in chosen]
        if len(curves) > 1 and any(len(each.mean) > 1 for each in curves):
            of = "" if is_only else f", {dataset_name(group[0].cell.dataset)}"
            title = f"validation accuracy against seconds on {device}{of}"
            charts.append(Race(title, tuple(curves), _notes(group, ordered, chosen, curves)))
    return tuple(charts)


def mean_line(seeds: Sequence[Line]) -> Line:
    """Return median seconds and mean accuracy of each epoch, as far as all seeds go."""
    epochs = zip(*seeds, strict=False)
    return tuple((median(s for s, _ in points), fmean(a for _, a in points)) for points in epochs)


def cost_table(variants: Sequence[Variant], metric: str, priced: Sequence[Offers]) -> Table:
    """Return a row for each variant; time foreseen and energy have columns where any cell has them."""
    has_estimates = any(estimates(variant) for variant in variants)
    has_energy = any(variant.spread(JOULES) for variant in variants)
    columns = [
        Column("experiment", numeric=False),
        Column(f"{_split(metric)} top-1 %"),
        Column("train time", hint="time of fitting alone, mean over seeds"),
        Column("parameters"),
        Column("on the front by", numeric=False, hint="nothing is both cheaper and more accurate"),
    ]
    columns += (
        [
            Column("estimated", hint="whole cell, before it ran"),
            Column("actual", hint="whole cell"),
            Column("actual / estimated"),
        ]
        if has_estimates
        else []
    )
    columns += [Column("energy a fit")] if has_energy else []
    rows = tuple(_row(each, metric, priced, has_estimates, has_energy) for each in variants)
    return Table("What each experiment costs", tuple(columns), rows)


def estimates(variant: Variant) -> list[tuple[float, float]]:
    """Return estimated and actual seconds of the cells that both are known of."""
    found = []
    for entry in variant.finished:
        actual = entry.metric(TOTAL_SECONDS)
        if entry.tag(ESTIMATE) and actual is not None:
            found.append((float(entry.tag(ESTIMATE)), actual))
    return found


def time_texts(variants: Sequence[Variant]) -> list[str]:
    """Return what keeps times from being compared, and that none was foreseen where that is so."""
    devices = list(dict.fromkeys(device for variant in variants for device in variant.devices))
    texts = []
    if len(devices) > 1:
        texts.append(f"Cells ran on {', '.join(devices)}: times of different devices are never compared.")
    beside = side_by_side([entry for variant in variants for entry in variant.finished])
    if beside:
        texts.append(
            f"{amount(beside, 'cell')} ran while another ran on the same machine, so they took longer than alone."
        )
    if not any(estimates(variant) for variant in variants):
        texts.append("No estimate of the time was recorded: nothing like these cells had been run before.")
    return texts


def energy_text(variants: Sequence[Variant], store: ReportStore) -> str:
    """Return what the energy figures mean, or why there are none."""
    entries = [entry for variant in variants for entry in variant.finished]
    measured = [entry for entry in entries if entry.metric(JOULES) is not None]
    if not measured:
        return f"No energy was measured: {_why_no_energy(entries, store)}."
    text = (
        f"Energy is what the machine's own counters (RAPL for processors, NVML for GPUs) counted during "
        f"{amount(len(measured), 'fit')} of {len(entries)}: the whole package or GPU, idle power included."
    )
    beside = side_by_side(measured)
    return (
        f"{text} {amount(beside, 'of these cells', 'of these cells')} ran side by side and count the same joules."
        if beside
        else text
    )


def side_by_side(entries: Sequence[Entry]) -> int:
    """Return how many cells ran while another one ran on the same host."""
    spans = sorted(
        {
            (entry.tag("host"), entry.run.start, entry.run.end or entry.run.start, entry.run.run_id)
            for entry in entries
            if entry.run
        }
    )
    beside: set[str] = set()
    latest: tuple[str, float, str] | None = None
    for host, start, end, run_id in spans:
        if latest and latest[0] == host and start < latest[1]:
            beside |= {latest[2], run_id}
        if latest is None or latest[0] != host or end > latest[1]:
            latest = (host, end, run_id)
    return len(beside)


def _charts(priced: Sequence[Offers], races: Sequence[Race], metric: str) -> list[Chart]:
    """Return the charts by time, by seconds and by parameters; of several of a kind each has a number in its name."""
    accuracy = f"{_split(metric)} accuracy"
    by_price = {price: [each for each in priced if each.price == price] for price in ("time", "parameters")}
    scatters = {
        price: [
            price_scatter(each.offers, each.price, accuracy, each.title, _stem(f"cost-{price}", place))
            for place, each in enumerate(found)
        ]
        for price, found in by_price.items()
    }
    lines = [
        accuracy_by_seconds(race.curves, race.title, race.words, _stem("cost-seconds", place))
        for place, race in enumerate(races)
    ]
    return [chart for chart in (*scatters["time"], *lines, *scatters["parameters"]) if chart is not None]


def _stem(name: str, place: int) -> str:
    return f"{name}-{place + 1}" if place else name


def _row(
    variant: Variant, metric: str, priced: Sequence[Offers], has_estimates: bool, has_energy: bool
) -> tuple[Value, ...]:
    fronts = [each.price for each in priced if variant.name in {offer.name for offer in each.front}]
    values = [
        named(variant.name),
        share_value(variant.spread(metric)),
        train_time(variant),
        parameters_value(variant),
        named(", ".join(dict.fromkeys(fronts)) or NOTHING, "good" if fronts else "muted"),
    ]
    values += _estimated(variant) if has_estimates else []
    values += [_energy(variant)] if has_energy else []
    return tuple(values)


def _estimated(variant: Variant) -> list[Value]:
    pairs = estimates(variant)
    if not pairs:
        return [Value(NOTHING)] * 3
    estimated, actual = (fmean(values) for values in zip(*pairs, strict=True))
    ratio = actual / estimated if estimated > 0 else math.inf
    return [Value(duration(estimated), estimated), Value(duration(actual), actual), Value(f"{ratio:.2f}", ratio)]


def _energy(variant: Variant) -> Value:
    spread = variant.spread(JOULES)
    if spread is None:
        return Value(NOTHING)
    return Value(energy(spread.mean), spread.mean)


def _accuracy(variant: Variant, metric: str) -> float | None:
    spread = variant.spread(metric)
    return None if spread is None or not math.isfinite(spread.mean) else spread.mean


def _split(metric: str) -> str:
    return "test" if metric == TEST else "validation"


def _why_no_energy(entries: Sequence[Entry], store: ReportStore) -> str:
    by_device: dict[str, list[str]] = {}
    for entry in entries:
        path = store.artifact(entry.run.run_id, FILE) if entry.run and device_of(entry) not in by_device else None
        if path is not None:
            by_device[device_of(entry)] = list(read_energy(path).missing.values())
    reasons = [reason for each in by_device.values() for reason in each]
    return "; ".join(dict.fromkeys(reasons)) or "these runs were made before the harness counted any"


def _measured(variant: Variant, device: str) -> list[tuple[Entry, float]]:
    """Return the finished cells on a device with their validation accuracy, where they have one."""
    values = [(entry, entry.metric(VALIDATION)) for entry in variant.finished if device_of(entry) == device]
    return [(entry, value) for entry, value in values if value is not None and math.isfinite(value)]


def _ordered(group: Sequence[Variant], device: str) -> list[Variant]:
    """Return the variants that have a validation accuracy, the best first."""
    means = {
        place: fmean(value for _, value in each)
        for place, variant in enumerate(group)
        if (each := _measured(variant, device))
    }
    return [group[place] for place in sorted(means, key=lambda place: -means[place])]


def _chosen(ordered: Sequence[Variant], baseline: str) -> list[Variant]:
    """Return as many of the best as are drawn, the best of the baseline in place of the last if it is not there."""
    best = list(ordered[:MOST])
    base = [each for each in ordered if each.experiment == baseline]
    if base and base[0] not in best:
        best[-1] = base[0]
    return best


def _curve(variant: Variant, device: str, curves: Curves | None) -> Timed:
    histories = curves.by_seed if curves else {}
    measured = _measured(variant, device)
    lines = [_line(histories[entry.seed]) for entry, _ in measured if entry.seed in histories]
    ends = [(max(entry.metric(TRAIN_SECONDS) or 0.0, SHORTEST), value) for entry, value in measured]
    seeds = tuple(filter(None, lines)) or tuple((end,) for end in ends)
    return Timed(variant.name, mean_line(seeds), seeds)


def _line(history: History) -> Line:
    """Return a seed's line; empty where seconds or accuracies of its epochs were not recorded."""
    seconds, accuracies = values_of(history, EPOCH_SECONDS), values_of(history, VALIDATION)
    if not np.isfinite(seconds).all() or not np.isfinite(accuracies).all():
        return ()
    return tuple(zip((max(each, SHORTEST) for each in accumulate(seconds.tolist())), accuracies.tolist(), strict=True))


def _notes(
    group: Sequence[Variant], ordered: Sequence[Variant], chosen: Sequence[Variant], curves: Sequence[Timed]
) -> tuple[str, ...]:
    """Return how to read the chart, and what is not in it."""
    notes = ["Seconds of the epochs up to then, validation included"]
    if any(len(each.seeds) > 1 for each in curves):
        notes.append(
            "thin: one seed; thick: by epoch the median of the seeds' seconds and the mean of their accuracies"
        )
    if any(len(each.mean) == 1 for each in curves):
        notes.append("a dot alone: the end of a fit without epochs, or whose epochs have no recorded seconds")
    if len(ordered) > len(chosen):
        base = "" if chosen[-1] is ordered[len(chosen) - 1] else " and the baseline"
        notes.append(f"{len(chosen)} of {len(ordered)} variants: those with the best validation accuracy{base}")
    without = [each.name for each in group if each not in ordered]
    if without:
        notes.append(f"without validation, so not here: {', '.join(without)}")
    return tuple(notes)
