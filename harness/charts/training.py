"""Charts of fits: loss and accuracy by epoch, and the learning-rate range test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import altair as alt
import numpy as np
from altair.utils.schemapi import debug_mode

from harness.charts.style import (
    AMBER,
    BLUE,
    HOVER,
    INK,
    Chart,
    chosen,
    field,
    filled,
    finished,
    haloed,
    legend,
    listed,
    looks,
    pointed,
    short,
    titled,
    told,
    zoom,
)
from harness.escape import file_stem
from harness.measure.diagnosis import History, best_epoch, mean_of, values_of
from harness.words import amount

if TYPE_CHECKING:
    from numpy.typing import NDArray

CurveMetric = Literal["loss", "accuracy"]
Split = Literal["train", "val"]
Lines = Mapping[int, "NDArray[np.float64]"]
"""Seed -> values [epochs]."""
SPLITS: Final[Mapping[Split, str]] = {"train": "training", "val": "validation"}
COLORS: Final[Mapping[Split, str]] = {"train": AMBER, "val": BLUE}
FORMATS: Final[Mapping[CurveMetric, str]] = {"loss": ".4~g", "accuracy": ".2f"}
DASHES_OF_MARKS: Final[Sequence[Sequence[float]]] = ([1, 0], [6, 4], [2, 3])
MOST_POINTS: Final = 160
"""More would only make the page heavier; the last epoch is always among them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A learning rate to be marked, and what it is."""

    lr: float
    label: str


def learning_curves(of: str, metric: CurveMetric, seeds: Mapping[int, History]) -> Chart | None:
    """Return a metric by epoch: seeds thin, their mean thick, a ring at each seed's best epoch.

    Args:
        of: Whose fits they are; empty where that is said elsewhere.
        metric: What is shown; accuracies in percent.
        seeds: Each seed's history.

    Returns:
        None where no seed has recorded the metric.
    """
    lines = {split: found for split in SPLITS if (found := _lines(seeds, f"{split}/{metric}"))}
    if not lines:
        return None
    rows = [row for split in lines for row in _rows(split, lines[split], metric)]
    keys = tuple(f"{SPLITS[split]}{seed}" for split in lines for seed in ("", *_seed_names(lines[split])))
    spec = _curves_spec(metric, tuple(lines), keys, _is_short(lines))
    title = titled(of, f"{metric} by epoch")
    words = f"{title}, {amount(len(seeds), 'seed')}: {_ends(lines, metric)}{_best_words(seeds)}."
    return filled(spec, {"rows": rows, "best": _best(seeds, metric)}, file_stem("curves", of, metric), title, words)


@debug_mode(False)
def compared_curves(
    curves: Mapping[str, Sequence[History]], metric: CurveMetric = "accuracy", split: Split = "val"
) -> Chart | None:
    """Return the mean curves of several variants on one axis: which learns fastest by epoch.

    Args:
        curves: Each variant's histories, one a seed, in the order of the legend; up to 24 can be told apart.
        metric: What is shown; accuracies in percent.
        split: Of which split.

    Returns:
        None where fewer than two variants have recorded the metric.
    """
    found = {name: _lines(dict(enumerate(seeds)), f"{split}/{metric}") for name, seeds in curves.items()}
    means = {name: mean_of([*lines.values()]) for name, lines in found.items() if lines}
    if len(means) < 2:
        return None
    rows = [
        {"variant": name, "epoch": epoch, "value": _shown(value, metric), "seeds": len(found[name])}
        for name, line in means.items()
        for epoch, value in _thinned(line)
    ]
    unit, (colors, dashes) = _unit(metric), looks(len(means))
    x, y = _axes(metric, unit)
    names, pick = [*means], chosen("variant")
    key = legend(names, symbolType="stroke", symbolSize=300)
    encoded = alt.Chart().encode(
        x=x,
        y=y,
        color=alt.Color("variant:N", title=None, legend=key).scale(domain=names, range=colors),
        opacity=alt.when(pick).then(alt.value(1)).otherwise(alt.value(0.08)),
    )
    dash = alt.StrokeDash("variant:N", title=None, legend=key).scale(domain=names, range=dashes)
    lines = encoded.mark_line(strokeWidth=2).encode(strokeDash=dash).properties(name="lines").add_params(zoom(), pick)
    near = pointed()
    figures = told(
        ("variant", "variant"), ("epoch", "epoch"), ("value", metric + unit, FORMATS[metric]), ("seeds", "seeds")
    )
    dots = encoded.mark_point(filled=True, size=130).encode(
        opacity=alt.when(near).then(alt.value(1)).otherwise(alt.value(0)), tooltip=figures
    )
    title = f"{SPLITS[split]} {metric} by epoch, mean over seeds"
    ends = [f"{name} ends at {_text(line[-1], metric)}" for name, line in means.items()]
    layers = alt.layer(lines, dots.properties(name=HOVER).add_params(near), data=alt.InlineData(values=rows))
    return finished(
        layers,
        file_stem("curves", SPLITS[split], metric),
        title,
        f"{title}: {listed(ends, 24)}.",
        width=760,
        height=380,
    )


@debug_mode(False)
def range_test(
    of: str,
    rates: NDArray[np.float64],
    losses: NDArray[np.float64],
    smoothed: NDArray[np.float64],
    marks: Sequence[Mark] = (),
) -> Chart:
    """Return the loss by learning rate of a range test (Smith 2017, Cyclical Learning Rates, section 3.3).

    Where the test diverged, the rise is cut off: nothing else could be seen. How much lies above is written there.

    Args:
        of: Whose test it is.
        rates: Learning rates [S], rising.
        losses: Loss of each batch [S].
        smoothed: The same, smoothed [S].
        marks: Learning rates to be marked, three at most.
    """
    low, high = _loss_range(smoothed)
    known = np.isfinite(losses) & np.isfinite(smoothed)
    each = np.stack([rates, losses, smoothed], axis=1)[known]
    rows = [dict(zip(("lr", "loss", "smoothed"), map(short, row), strict=True)) for row in each.tolist()]
    inside, above = ([row for row in rows if (row["loss"] > high) is is_above] for is_above in (False, True))
    x = alt.X("lr:Q", title="learning rate, logarithmic").scale(type="log", nice=False, padding=6)
    x = x.axis(values=_decades(rates), format=".2~g", grid=False)
    y_scale, y_title = alt.Scale(domain=[short(low), short(high)], nice=False, zero=False), "loss"
    figures = told(
        ("lr", "learning rate", ".3~g"), ("loss", "loss of the batch", ".4~g"), ("smoothed", "smoothed", ".4~g")
    )
    parts = ["loss of the batch", "smoothed"]
    color = alt.Scale(domain=parts, range=[AMBER, BLUE])
    dots = (
        alt.Chart(alt.InlineData(values=inside))
        .transform_calculate(series=f"'{parts[0]}'")
        .encode(
            x=x,
            y=alt.Y("loss:Q", title=y_title, scale=y_scale),
            color=alt.Color("series:N", scale=color, legend=legend(parts)),
            tooltip=figures,
        )
    )
    dots = dots.mark_point(filled=True, size=30, opacity=0.6, clip=True)
    line = alt.Chart(alt.InlineData(values=rows)).transform_calculate(series=f"'{parts[1]}'")
    line = line.mark_line(strokeWidth=2.2, clip=True).encode(
        x=x, y=alt.Y("smoothed:Q", title=y_title, scale=y_scale), color="series:N"
    )
    layers: list[alt.Chart] = [dots.properties(name="batches").add_params(zoom()), line]
    if above:
        text = f"▲ {amount(len(above), 'batch', 'batches')} above, up to {max(row['loss'] for row in above):.3g}"
        arrows = alt.Chart(alt.InlineData(values=above)).mark_point(
            shape="triangle-up", filled=True, size=30, color=AMBER
        )
        layers.append(arrows.encode(x=x, y=alt.value(4), tooltip=figures))
        note = alt.Chart(alt.InlineData(values=[{"text": text}])).mark_text(align="left", color=AMBER)
        layers.append(note.encode(x=alt.value(8), y=alt.value(alt.ExprRef("height - 10")), text="text:N"))
    layers += _marked(marks, rates, x)
    title = titled(of, "loss by learning rate")
    named = [f"{mark.label} {mark.lr:.2g}" for mark in marks]
    words = (
        f"{title} in a range test from {rates[0]:.1g} to {rates[-1]:.1g}; the smoothed loss is lowest, "
        f"{np.nanmin(smoothed):.3g}, at {rates[int(np.nanargmin(smoothed))]:.2g}. {'; '.join(named)}"
    )
    return finished(alt.layer(*layers), file_stem("lr-range", of), title, words, width=640, height=300)


@lru_cache
@debug_mode(False)
def _curves_spec(
    metric: CurveMetric, splits: tuple[Split, ...], keys: tuple[str, ...], is_short: bool
) -> Mapping[str, Any]:
    """Return the specification of `learning_curves`, for the data sets `rows` and `best`."""
    names, unit = [SPLITS[split] for split in splits], _unit(metric)
    color = alt.Color("split:N", title=None).scale(domain=names, range=[COLORS[split] for split in splits])
    x, y = _axes(metric, unit)
    pick = chosen("split")
    base = alt.Chart().encode(
        x=x, y=y, color=color, opacity=alt.when(pick).then(alt.value(1)).otherwise(alt.value(0.1))
    )
    thin = (
        base.transform_filter("datum.seed !== ''").mark_line(strokeWidth=1, strokeOpacity=0.55).encode(detail="seed:N")
    )
    thick = base.transform_filter("datum.seed === ''").mark_line(strokeWidth=2.2, point=is_short)
    thick = thick.properties(name="means").add_params(zoom(), pick)
    best = alt.Chart(alt.NamedData("best"))
    ring = best.mark_point(size=60, filled=False, color=INK, strokeWidth=1.4, opacity=1).encode(x=x, y=y)
    rule = _epoch_rule(alt.Chart().transform_calculate(key="datum.split + datum.seed"), keys, x, FORMATS[metric], unit)
    layers = alt.layer(thin, thick, ring, rule, data=alt.NamedData("rows"))
    return finished(layers, "", "", "", width=420, height=230).spec


def _lines(seeds: Mapping[int, History], name: str) -> Lines:
    """Return the metric of each seed that has recorded any of it."""
    every = {seed: values_of(history, name) for seed, history in seeds.items()}
    return {seed: line for seed, line in every.items() if np.isfinite(line).any()}


def _rows(split: Split, lines: Lines, metric: CurveMetric) -> list[dict[str, Any]]:
    """Return the points of a split; those of the mean, or of the only seed, have an empty `seed`."""
    several = dict(zip(_seed_names(lines), lines.values(), strict=False)) if len(lines) > 1 else {}
    return [
        {"split": SPLITS[split], "seed": seed, "epoch": epoch, "value": _shown(value, metric)}
        for seed, line in {**several, "": mean_of([*lines.values()])}.items()
        for epoch, value in _thinned(line)
    ]


def _seed_names(lines: Lines) -> list[str]:
    return [f", seed {seed}" for seed in lines] if len(lines) > 1 else []


def _thinned(line: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Return epochs (from 1) and finite values, about evenly thinned; the last epoch stays."""
    places = np.unique(np.linspace(0, len(line) - 1, min(len(line), MOST_POINTS)).round().astype(int))
    return [(int(place) + 1, float(line[place])) for place in places if np.isfinite(line[place])]


def _best(seeds: Mapping[int, History], metric: CurveMetric) -> list[dict[str, float]]:
    """Return where each seed's best epoch stands on the validation curve; nothing without validation."""
    found = {seed: (best_epoch(history), history) for seed, history in seeds.items()}
    values = [
        (epoch, history[epoch - 1].get(f"val/{metric}")) for epoch, history in found.values() if epoch is not None
    ]
    return [
        {"epoch": epoch, "value": _shown(value, metric)}
        for epoch, value in values
        if value is not None and np.isfinite(value)
    ]


def _axes(metric: CurveMetric, unit: str) -> tuple[alt.X, alt.Y]:
    x = alt.X("epoch:Q", title="epoch").scale(nice=False, padding=6).axis(grid=False, tickMinStep=1, format="d")
    y = alt.Y("value:Q", title=metric + unit).scale(zero=False).axis(tickCount=5)
    return x, y


def _epoch_rule(base: alt.Chart, keys: Sequence[str], x: alt.X, form: str, unit: str) -> alt.Chart:
    """Return a line at the epoch that is pointed at, with the figures of every curve there."""
    near = alt.selection_point(
        name=f"{HOVER}_epoch", fields=["epoch"], nearest=True, on="pointermove", clear="pointerout", empty=False
    )
    figures = told(("epoch", "epoch", "d"), *((field(key), key + unit, form) for key in keys))
    shown = alt.when(near).then(alt.value(0.6)).otherwise(alt.value(0))
    pivoted = base.transform_pivot("key", value="value", groupby=["epoch"])
    rule: alt.Chart = pivoted.mark_rule().encode(x=x, opacity=shown, tooltip=figures).properties(name=HOVER)
    return rule.add_params(near)


def _marked(marks: Sequence[Mark], rates: NDArray[np.float64], x: alt.X) -> list[alt.Chart]:
    """Return marked rates as lines, each with its label in a row of its own: no two can touch."""
    lines: list[alt.Chart] = []
    labels: list[alt.Chart] = []
    first, last = np.log(rates[0]), np.log(rates[-1])
    lowest = min((mark.lr for mark in marks), default=0.0)
    for row, mark in enumerate(marks):
        share = (np.log(mark.lr) - first) / (last - first)
        is_left = bool(share > 0.7 or (mark.lr == lowest and share > 0.3))
        data = alt.Chart(alt.InlineData(values=[{"lr": short(mark.lr), "label": f"{mark.lr:.2g}: {mark.label}"}]))
        line = data.mark_rule(color=INK, strokeWidth=1.2, strokeDash=DASHES_OF_MARKS[row % 3]).encode(x=x)
        side: Mapping[str, Any] = {"align": "right" if is_left else "left", "dx": -6 if is_left else 6}
        text = data.encode(x=x, y=alt.value(12 + 16 * row), text="label:N")
        lines.append(line)
        labels += haloed(text, **side)
    return [*lines, *labels]


def _decades(rates: NDArray[np.float64]) -> list[float]:
    """Return powers of ten within the range, with 2 and 5 times them where it spans less than three decades."""
    low, high = float(rates[0]), float(rates[-1])
    steps = (1,) if high / low >= 1000 else (1, 2, 5)
    powers = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 1)
    every = [float(f"{step}e{power}") for power in powers for step in steps]
    return [rate for rate in every if low * 0.999 <= rate <= high * 1.001]


def _loss_range(smoothed: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the loss axis, with room at the top for the marks' labels."""
    low, start = float(np.nanmin(smoothed)), float(np.nanmedian(smoothed[: max(1, len(smoothed) // 4)]))
    height = max(start - low, 0.1 * abs(start), 1e-6)
    return low - 0.35 * height, start + 0.6 * height


def _is_short(lines: Mapping[Split, Lines]) -> bool:
    """Whether there is a single epoch only, which is no line."""
    return all(len(line) == 1 for each in lines.values() for line in each.values())


def _shown(value: float, metric: CurveMetric) -> float:
    return short(value * 100 if metric == "accuracy" else value)


def _text(value: float, metric: CurveMetric) -> str:
    return f"{value * 100:.1f} %" if metric == "accuracy" else f"{value:.3g}"


def _unit(metric: CurveMetric) -> str:
    return " (%)" if metric == "accuracy" else ""


def _ends(lines: Mapping[Split, Lines], metric: CurveMetric) -> str:
    """Return where each split's mean begins and ends, in words."""
    means = {SPLITS[split]: mean_of([*each.values()]) for split, each in lines.items()}
    return ", ".join(
        f"{name} from {_text(line[0], metric)} to {_text(line[-1], metric)}" for name, line in means.items()
    )


def _best_words(seeds: Mapping[int, History]) -> str:
    best = [str(epoch) for epoch in map(best_epoch, seeds.values()) if epoch is not None]
    return f", best on validation in epoch {', '.join(best)}" if best else ""
