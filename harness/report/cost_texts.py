"""What is to be known of the times and the energy that a report shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.contracts.metrics import JOULES, TOTAL_SECONDS
from harness.measure.machine import FILE, read_energy
from harness.report.store import Entry, ReportStore
from harness.report.variants import Variant, device_of
from harness.words import amount

ESTIMATE: Final = "estimated_seconds"
"""Tag of a run: what `harness run` foresaw for the whole cell, from cells like it that were finished."""


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


def _why_no_energy(entries: Sequence[Entry], store: ReportStore) -> str:
    by_device: dict[str, list[str]] = {}
    for entry in entries:
        path = store.artifact(entry.run.run_id, FILE) if entry.run and device_of(entry) not in by_device else None
        if path is not None:
            by_device[device_of(entry)] = list(read_energy(path).missing.values())
    reasons = [reason for each in by_device.values() for reason in each]
    return "; ".join(dict.fromkeys(reasons)) or "these runs were made before the harness counted any"
