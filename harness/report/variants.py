"""Cells that differ by their seed alone, taken together: the rows of every table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import Ablation, Cell, Dataset, Place
from harness.report.gather import Entry, Findings
from harness.report.spread import Spread, spread_of


@dataclass(frozen=True, slots=True)
class Variant:
    """One experiment's variant, or one ablation's row, with its cells in seed order."""

    name: str
    experiment: str
    label: str
    entries: tuple[Entry, ...]

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
    return Variant(_name(place, ordered[0]), place.experiment, place.label, ordered)


def _name(place: Place, entry: Entry) -> str:
    """Return the run name without its seed where the cell has its name from this place."""
    planned = entry.planned
    if planned.places[0] == place:
        return planned.name.removesuffix(f" s{planned.cell.seed}")
    return f"{place.experiment} {place.label}".strip()
