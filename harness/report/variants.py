"""Cells that differ by their seed alone, taken together: the rows of every table, and what stands for them in one."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Final
from urllib.parse import urlsplit

from pydantic import JsonValue

from harness.contracts import Ablation, Cell, Dataset, Place
from harness.contracts.metrics import (
    IMAGES_PER_SECOND,
    PARAMETERS,
    PEAK_BYTES,
    TEST_ACCURACY,
    TRAIN_SECONDS,
    VAL_ACCURACY,
    metric_of,
)
from harness.report.blocks import Run, Value
from harness.report.store import Entry, Findings, ReportStore
from harness.track.experiments import run_link
from harness.words import (
    NOTHING,
    Spread,
    amount,
    metric_name,
    metric_spread,
    percent_spread,
    spread_of,
    whole,
)


@dataclass(frozen=True, slots=True)
class Variant:
    """One experiment's variant, or one ablation's row, with its cells in seed order."""

    name: str
    experiment: str
    label: str
    entries: tuple[Entry, ...]
    settings: tuple[tuple[str, JsonValue], ...] = ()
    """The paths whose values tell it from its siblings in a matrix."""

    @property
    def cell(self) -> Cell:
        """The variant's settings; the seed is that of its first cell."""
        return self.entries[0].planned.cell

    @property
    def finished(self) -> tuple[Entry, ...]:
        """The cells that have figures."""
        return tuple(entry for entry in self.entries if entry.is_finished)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its cells, which tell two names of the same cells."""
        return tuple(entry.planned.key for entry in self.entries)

    @property
    def cells(self) -> tuple[str, ...]:
        """The keys in an order that is the same for all names of the same cells."""
        return tuple(sorted(self.keys))

    @property
    def devices(self) -> tuple[str, ...]:
        """Where its finished cells ran, each named once."""
        return tuple(dict.fromkeys(device_of(entry) for entry in self.finished))

    def values(self, metric: str) -> dict[int, float]:
        """Return a final metric by seed, of the cells that have it."""
        found = {entry.seed: entry.metric(metric) for entry in self.entries}
        return {seed: value for seed, value in found.items() if value is not None}

    def spread(self, metric: str) -> Spread | None:
        """Return a final metric's mean and standard deviation over seeds; None if no cell has it."""
        return spread_of(self.values(metric).values())


def experiment_variants(findings: Findings) -> tuple[Variant, ...]:
    """Return the variants of all experiments, in file order."""
    ablations = {ablation.name for ablation in findings.plan.ablations}
    return tuple(variant for variant in _grouped(findings) if variant.experiment not in ablations)


def ablation_variants(findings: Findings, ablation: Ablation) -> dict[str, Variant]:
    """Return an ablation's rows by label; a row that was left out of the plan is not there."""
    return {variant.label: variant for variant in _grouped(findings) if variant.experiment == ablation.name}


def distinct_variants(findings: Findings) -> tuple[Variant, ...]:
    """Return all variants once: an ablation's row that is an experiment's variant goes by that name."""
    found: dict[tuple[str, ...], Variant] = {}
    ablations = [row for each in findings.plan.ablations for row in ablation_variants(findings, each).values()]
    for variant in (*experiment_variants(findings), *ablations):
        found.setdefault(tuple(sorted(variant.keys)), variant)
    return tuple(found.values())


def paired_differences(variant: Variant, base: Variant, metric: str) -> Spread | None:
    """Return the spread of variant minus base over the seeds that both have."""
    ours, theirs = variant.values(metric), base.values(metric)
    return spread_of(ours[seed] - theirs[seed] for seed in ours if seed in theirs)


def device_of(entry: Entry) -> str:
    """Return the hardware that a cell ran on, by its name where that is known."""
    return entry.tag("hardware") or entry.tag("device") or "unknown device"


def dataset_name(dataset: Dataset) -> str:
    """Return a data set's name, with the last part of its path where it has one."""
    path = dataset.options.get("path")
    return f"{dataset.name} {Path(str(path)).name}" if path else dataset.name


def _grouped(findings: Findings) -> list[Variant]:
    groups: dict[str, list[Entry]] = defaultdict(list)
    places: dict[str, Place] = {}
    for entry in findings.entries:
        for place in entry.planned.places:
            group = place.model_dump_json()
            places[group] = place
            groups[group].append(entry)
    return [_variant(places[group], entries) for group, entries in groups.items()]


def _variant(place: Place, entries: list[Entry]) -> Variant:
    ordered = tuple(sorted(entries, key=lambda entry: entry.seed))
    return Variant(_name(place, ordered[0]), place.experiment, place.label, ordered, place.variant)


def _name(place: Place, entry: Entry) -> str:
    """Return the run name without its seed where the cell has its name from this place."""
    planned = entry.planned
    if planned.places[0] == place:
        return planned.name.removesuffix(f" s{planned.cell.seed}")
    return f"{place.experiment} {place.label}".strip()


TEST: Final = TEST_ACCURACY
VALIDATION: Final = VAL_ACCURACY
SEALED: Final = "sealed"
REASON_LENGTH: Final = 160


@dataclass(frozen=True, slots=True)
class Ranking:
    """The figure that variants are ranked and told apart by: the last part of its metric's name."""

    name: str = "accuracy"

    @property
    def test(self) -> str:
        """The metric on test images."""
        return f"test/{self.name}"

    @property
    def validation(self) -> str:
        """The metric on validation images."""
        return f"val/{self.name}"

    @property
    def best(self) -> str:
        """What the best value is."""
        return "lowest" if metric_of(self.test).direction == "minimize" else "highest"

    def merit(self, variant: Variant, metric: str) -> float:
        """Return a metric's mean, larger where it is better; without one less than any."""
        spread = variant.spread(metric)
        if spread is None or math.isnan(spread.mean):
            return -math.inf
        return -spread.mean if self.best == "lowest" else spread.mean


BY_ACCURACY: Final = Ranking()


def ranked(variants: Sequence[Variant], by: Ranking = BY_ACCURACY) -> tuple[Variant, ...]:
    """Return variants by the test figure, then validation's, the best first; without figures last."""
    return tuple(sorted(variants, key=lambda variant: (-by.merit(variant, by.test), -by.merit(variant, by.validation))))


def every_variant(findings: Findings, by: Ranking = BY_ACCURACY) -> tuple[Variant, ...]:
    """Return the variants of experiments, ranked, and after them the ablations' rows that are none of these."""
    variants = experiment_variants(findings)
    return (*ranked(variants, by), *(each for each in distinct_variants(findings) if each not in variants))


def notes_of(variant: Variant) -> tuple[str, ...]:
    """Return what a reader must know of a variant: cells without figures and why, what it was fitted on."""
    reasons: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in variant.entries:
        if entry.state != "done":
            reasons[entry.state, entry.reason].append(entry)
    notes = [_reason(state, reason, entries) for (state, reason), entries in reasons.items()]
    if variant.cell.train_on == "train+val":
        notes.append("fitted on train+val")
    parted = micro_batches_note(variant.entries)
    return (*notes, *([parted] if parted else []), *device_notes(variant))


def test_value(variant: Variant, metric: str) -> Value:
    """Return a test metric in percent, or that the test set is sealed for good."""
    if variant.cell.test == "never":
        return Value(SEALED, None, "muted")
    return share_value(variant.spread(metric))


def share_value(spread: Spread | None) -> Value:
    """Return a share's mean and deviation in percent, sorted by the mean."""
    return Value(percent_spread(spread), None if spread is None else spread.mean)


def train_time(variant: Variant) -> Value:
    """Return the time of fitting; times of different devices are never averaged, the notes tell them apart."""
    return device_value(variant, TRAIN_SECONDS)


def cells_value(variant: Variant) -> Value:
    """Return how many of the planned cells have figures, and what became of the others."""
    done, planned = len(variant.finished), len(variant.entries)
    states = Counter(entry.state for entry in variant.entries if entry.state != "done")
    others = ", ".join(f"{count} {state}" for state, count in states.items())
    text = f"{done}/{planned}{f' ({others})' if others else ''}"
    return Value(text, done / planned, "bad" if others else "", runs=runs_of(variant))


def parameters_value(variant: Variant) -> Value:
    """Return the number of parameters; several where seeds differ in it."""
    return count_value(variant, PARAMETERS, whole)


def count_value(variant: Variant, metric: str, text: Callable[[float], str]) -> Value:
    """Return a count of a variant; its range where seeds differ in it."""
    counts = sorted(set(variant.values(metric).values()))
    if not counts:
        return Value(NOTHING)
    return Value(" to ".join(dict.fromkeys(map(text, (counts[0], counts[-1])))), counts[0])


def _reason(state: str, reason: str, entries: Sequence[Entry]) -> str:
    seeds = ", ".join(str(entry.seed) for entry in entries)
    return f"{amount(len(entries), 'cell')} {state} (seed {seeds}): {shorten(reason, REASON_LENGTH, placeholder='…')}"


def mean_or_least(variant: Variant, metric: str) -> float:
    """Return a metric's mean, less than any share where there is none."""
    spread = variant.spread(metric)
    return -1.0 if spread is None or math.isnan(spread.mean) else spread.mean


OF_MACHINE: Final = (TRAIN_SECONDS, IMAGES_PER_SECOND, PEAK_BYTES)
"""The metrics of hardware that are shown of each variant."""


def depends_on_device(metric: str) -> bool:
    """Whether a metric's values on different devices must not be averaged."""
    return metric_of(metric).is_of_machine


def by_device(variant: Variant, metric: str) -> dict[str, Spread]:
    """Return a metric's spread over seeds on each device that has it."""
    values: dict[str, list[float]] = defaultdict(list)
    for entry in variant.finished:
        value = entry.metric(metric)
        if value is not None:
            values[device_of(entry)].append(value)
    spreads = {device: spread_of(each) for device, each in values.items()}
    return {device: spread for device, spread in spreads.items() if spread is not None}


def device_value(variant: Variant, metric: str) -> Value:
    """Return a metric on the one device that the variant ran on; "mixed" of several, told apart in the notes."""
    spreads = by_device(variant, metric)
    if len(spreads) > 1:
        return Value("mixed", None, "muted")
    only = next(iter(spreads.values()), None)
    return Value(metric_spread(metric, only), None if only is None else only.mean)


def device_notes(variant: Variant) -> list[str]:
    """Return the figures on each device, of a variant that ran on several."""
    notes = []
    for metric in OF_MACHINE:
        spreads = by_device(variant, metric)
        if len(spreads) > 1:
            each = ", ".join(f"{metric_spread(metric, spread)} on {where}" for where, spread in spreads.items())
            notes.append(f"{metric_name(metric)} {each}")
    return notes


MICRO_BATCH: Final = "micro_batch"
"""Tag of a run: images in the largest part of a batch, where batches were taken in parts."""
QUESTION: Final = "Did whole batches fit into memory?"
MEANING: Final = (
    "Batches and steps are those of the recipe, but batch normalization, where a network has it, saw one micro-batch "
    "at a time: figures may differ from those of whole batches"
)


def micro_batch(entry: Entry) -> str:
    """Return the images in a micro-batch of a finished cell, empty where its batches were whole."""
    return entry.tag(MICRO_BATCH) if entry.is_finished else ""


def micro_batches_note(entries: Sequence[Entry]) -> str:
    """Return what the notes below results say of a variant's cells, empty where all batches were whole."""
    parted = [entry for entry in entries if micro_batch(entry)]
    if not parted:
        return ""
    sizes = " or ".join(dict.fromkeys(micro_batch(entry) for entry in parted))
    seeds = ", ".join(str(entry.seed) for entry in parted)
    return f"{amount(len(parted), 'cell')} in micro-batches of {sizes} images, for want of memory (seed {seeds})"


def micro_batches_answer(entries: Sequence[Entry]) -> str:
    """Return what the honesty section says of all cells, empty where all batches were whole."""
    seeds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in entries:
        if micro_batch(entry):
            name = entry.planned.name.removesuffix(f" s{entry.seed}")
            seeds[name, _size(entry)].append(f"s{entry.seed}")
    told = "; ".join(f"{name} {', '.join(each)} ({size})" for (name, size), each in seeds.items())
    return f"No. In micro-batches: {told}. {MEANING}." if told else ""


def _size(entry: Entry) -> str:
    recipe = entry.planned.cell.recipe
    whole = f" of batches of {recipe.batch_size:,}" if recipe is not None else ""
    return f"{micro_batch(entry)} images{whole}"


LOCAL: Final = "http://127.0.0.1:5000"
"""Where `harness ui` serves an embedded store unless it is told another port."""
MOST_LINKS: Final = 12


@dataclass(frozen=True, slots=True)
class Links:
    """Where MLflow's UI shows the runs of a store: at `base`, once it is served there."""

    base: str
    study: str
    """MLflow's id of the study."""
    elsewhere: Mapping[str, str]
    """MLflow's ids of the studies that runs are in which were made for another, by run id."""

    def address(self, run_id: str) -> str:
        """Return the address of a run's page."""
        return run_link(self.base, self.elsewhere.get(run_id, self.study), run_id)

    @property
    def explained(self) -> str:
        """How the links come alive, in a sentence."""
        if self.base == LOCAL:
            return (
                "Links to runs open in MLflow's UI on this machine: start it with harness ui where the study "
                f"was run (it serves {LOCAL}), then follow them."
            )
        return f"Links to runs open in MLflow's UI at {self.base}."


def links_of(store: ReportStore, findings: Findings) -> Links:
    """Return the links to a study's runs: at a server's own address, without a name or password in it, else `LOCAL`."""
    own = next((run.experiment_id for run in findings.matrices), "0")
    runs = [entry.run for entry in findings.entries if entry.run is not None]
    elsewhere = {run.run_id: run.experiment_id for run in runs if run.experiment_id != own}
    parts = urlsplit(store.uri)
    if parts.scheme not in {"http", "https"}:
        return Links(LOCAL, own, elsewhere)
    host = parts.netloc.rpartition("@")[2]
    return Links(f"{parts.scheme}://{host}{parts.path}".rstrip("/"), own, elsewhere)


def runs_of(variant: Variant) -> tuple[Run, ...]:
    """Return the runs that a variant's figures come from, named by their seeds; the first twelve."""
    runs = [Run(f"s{entry.seed}", entry.run.run_id) for entry in variant.finished if entry.run is not None]
    return tuple(runs[:MOST_LINKS])
