"""Charts as matrices: what is taken for what, who agrees with whom, F1 by class and model; and reliability."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import altair as alt
import numpy as np
from altair.utils.schemapi import debug_mode

from harness.charts.style import (
    AMBER,
    BLUE,
    HEAT_AMBER,
    HEAT_BLUE,
    INK,
    MUTED,
    Chart,
    filled,
    finished,
    in_percent,
    listed,
    short,
    titled,
    told,
)
from harness.escape import file_stem
from harness.words import NOTHING, amount, percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNTS_UP_TO: Final = 12
"""Classes up to which each cell has its count as well."""
PERCENT_UP_TO: Final = 26
"""Classes up to which each cell has its percent; beyond, color speaks, and the tooltip."""
PERCENT_TEXT: Final = (
    "datum.share < 0.01 ? '<1' : datum.share > 0.99 && datum.share < 1 ? '>99' : format(datum.percent, '.0f')"
)
"""Whole percent, never hiding what is there or what is missing."""
WORST: Final = 5
LETTER: Final = 6.2
LABELS: Final = 150
"""Most pixels of a class's name beside a matrix."""


def confusion(of: str, split: str, counts: NDArray[np.int64], classes: Sequence[str], seeds: int = 1) -> Chart:
    """Return counts as percent of the true class, what is right in blue, what is wrong in amber.

    The square root of a share is what color shows, so that an error of 1 % can be seen beside a class that is 95 %
    right. With up to 12 classes counts stand below, with more than 26 the tooltip alone has figures.

    Args:
        of: Whose predictions they are; empty where that is said elsewhere.
        split: Of which images, in words: `test`.
        counts: [K, K], row = true class, column = predicted class; summed over seeds.
        classes: The K class names.
        seeds: Over how many seeds.
    """
    totals = counts.sum(axis=1)
    rows = [{"t": int(t), "p": int(p), "n": int(counts[t, p])} for t, p in np.argwhere(counts > 0)]
    right = float(np.trace(counts) / max(1, counts.sum()))
    over = f", {amount(seeds, 'seed')} together" if seeds > 1 else ""
    title = titled(of, f"confusion on {split} images, percent of the true class{over}")
    words = f"{title}. {percent(right)} % right. Most often: {listed(_worst(counts, classes)) or 'no mistake'}."
    spec = _confusion_spec(tuple(classes))
    given = [{"name": "names", "value": list(classes)}, {"name": "totals", "value": totals.tolist()}]
    return filled({**spec, "params": given}, {"rows": rows}, file_stem("confusion", of), title, words)


@debug_mode(False)
def agreement(
    names: Sequence[str], equal: NDArray[np.float64], kappa: NDArray[np.float64], title: str, name: str = "agreement"
) -> Chart:
    """Return who agrees with whom: equal predictions above the diagonal, Cohen's kappa below, seeds on it.

    Args:
        names: The M variants.
        equal: Share of equal predictions [M, M], in [0, 1]; NaN where there is none, as for a single seed.
        kappa: Cohen's kappa [M, M], in [-1, 1].
        title: What stands above.
        name: Stem of the chart's file.
    """
    places = range(len(names))
    values = np.where(np.tri(len(names), k=-1, dtype=bool), kappa, equal)
    lows = {is_kappa: _lowest(values, is_kappa) for is_kappa in (False, True)}
    rows = [_pair(names, values, row, column, lows[row > column]) for row in places for column in places]
    numbers = alt.param(name="names", value=[f"{place + 1}. {each}" for place, each in enumerate(names)])
    label = {"ticks": False, "domain": False, "labelColor": INK}
    scale = alt.Scale(domain=list(places), paddingInner=0.04, paddingOuter=0)
    across = alt.Axis.from_dict(label | {"labelExpr": "datum.value + 1", "labelAngle": 0, "orient": "top"})
    down = alt.Axis.from_dict(label | {"labelExpr": "names[datum.value]", "labelLimit": 240})
    base = alt.Chart().encode(
        x=alt.X("column:O", title=None, scale=scale, axis=across),
        y=alt.Y("row:O", title=None, scale=scale, axis=down),
        tooltip=told(("who", "who"), ("what", "what"), ("said", "value")),
    )
    kinds = ["equal", "kappa"]
    color = alt.Color("kind:N", legend=None).scale(domain=kinds, range=[HEAT_BLUE, HEAT_AMBER])
    strength = alt.Opacity("strength:Q", legend=None).scale(domain=[0, 1], range=[0, 1])
    roomy = alt.value(alt.ExprRef(f"width >= {26 * len(names)} ? 1 : 0"))
    layers = [
        base.mark_rect().encode(color=color, opacity=strength),
        base.mark_text(fontSize=10.5).encode(text="text:N", opacity=roomy),
    ]
    drawn = alt.layer(*layers, data=alt.InlineData(values=rows)).add_params(numbers)
    pairs = [row for row in rows if row["row"] < row["column"]]
    said = [f"{row['who']} {row['text']}" for row in pairs]
    words = f"{title}, percent of equal predictions: {listed(said, 20)}."
    side = 38 * len(names)
    least, most = 28 * len(names) + 230, 1.2 * side + 260
    width, height = max(76, side), max(76, 0.72 * side)
    return finished(drawn, name, title, words, width=width, height=height, widest=most, narrowest=least)


@debug_mode(False)
def class_f1(
    classes: Sequence[str], models: Sequence[str], f1: NDArray[np.float64], title: str, name: str = "class-f1"
) -> Chart:
    """Return F1 by class and model, the class that is hardest for all at the top: which class fails with which model.

    Args:
        classes: The K class names.
        models: The M variants, in the order of the columns.
        f1: F1 [M, K], shares, means over seeds.
        title: What stands above.
        name: Stem of the chart's file.
    """
    order = np.argsort(f1.mean(axis=0), kind="stable")
    low = float(f1.min())
    wide = 1 - low or 1.0
    rows = [
        {
            "c": int(c),
            "m": m,
            "f": in_percent(float(f1[m, c])),
            "s": round(0.06 + 0.94 * float(f1[m, c] - low) / wide, 3),
        }
        for c in order
        for m in range(len(models))
    ]
    values = {"classes": list(classes), "models": list(models)}
    params = [alt.param(name=key, value=value) for key, value in values.items()]
    label = {"ticks": False, "domain": False, "labelColor": INK, "labelOverlap": False}
    turned = {"labelExpr": "models[datum.value]", "labelAngle": -40, "orient": "top", "labelLimit": 170}
    base = (
        alt.Chart()
        .encode(
            x=alt.X(
                "m:O",
                title=None,
                scale=alt.Scale(domain=list(range(len(models)))),
                axis=alt.Axis.from_dict(label | turned),
            ),
            y=alt.Y(
                "c:O",
                title=None,
                scale=alt.Scale(domain=order.tolist()),
                axis=alt.Axis.from_dict(label | {"labelExpr": "classes[datum.value]", "labelLimit": LABELS}),
            ),
            tooltip=told(("class", "class"), ("model", "variant"), ("f", "F1 (%)", ".2f")),
        )
        .transform_calculate(**{"class": "classes[datum.c]", "model": "models[datum.m]"})
    )
    strength = alt.Opacity("s:Q", legend=None).scale(domain=[0, 1], range=[0, 1])
    roomy = alt.value(alt.ExprRef(f"width >= {24 * len(models)} ? 1 : 0"))
    layers = [
        base.mark_rect(color=HEAT_BLUE).encode(opacity=strength),
        base.mark_text(fontSize=10.5).encode(text=alt.Text("f:Q", format=".0f"), opacity=roomy),
    ]
    drawn = alt.layer(*layers, data=alt.InlineData(values=rows)).add_params(*params)
    worst = [(float(f1[m, c]), classes[c], models[m]) for m in range(len(models)) for c in [int(f1[m].argmin())]]
    said = [f"{model}: {of} {percent(value)} %" for value, of, model in worst]
    words = f"{title}. The class with the lowest F1 of each: {listed(said, 24)}."
    width, height = max(120, 46 * len(models)), 22 * len(classes)
    least, most = 26 * len(models) + 120, max(480, width * 1.6 + LABELS)
    return finished(drawn, name, title, words, width=width, height=height, widest=most, narrowest=least)


def reliability(
    of: str,
    confidence: NDArray[np.float64],
    accuracy: NDArray[np.float64],
    count: NDArray[np.int64],
    ece: float,
) -> Chart:
    """Return accuracy by confidence in bins: on the diagonal, confidence is right; below it, the model is too sure.

    Args:
        of: Whose predictions they are.
        confidence: Mean confidence of each bin's images [B], shares.
        accuracy: Share of each bin's images that are right [B].
        count: Images of each bin [B]; those without any are left out.
        ece: Expected calibration error, a share.
    """
    total = int(count.sum())
    rows = [
        {
            "confidence": in_percent(sure),
            "accuracy": in_percent(right),
            "images": int(images),
            "share": short(images / total),
        }
        for sure, right, images in zip(confidence.tolist(), accuracy.tolist(), count.tolist(), strict=True)
        if images
    ]
    lean = float((count * (confidence - accuracy)).sum() / total)
    way = "surer than right" if lean > 0 else "less sure than right"
    title = f"{of}: ECE {percent(ece)} %"
    words = f"{title}, on average {percent(abs(lean))} points {way}"
    return filled(_reliability_spec(), {"rows": rows}, file_stem("reliability", of), title, words)


@lru_cache
@debug_mode(False)
def _confusion_spec(classes: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the specification of `confusion`, for the data set `rows` and the parameters `names` and `totals`."""
    size = len(classes)
    cell = 42 if size <= COUNTS_UP_TO else 25 if size <= PERCENT_UP_TO else max(3.0, min(14.0, 900 / size))
    is_long = max(map(len, classes)) * LETTER > cell
    label: dict[str, Any] = {"labelExpr": "names[datum.value]", "ticks": False, "domain": False, "labelColor": INK}
    label["labelOverlap"] = "greedy" if size > COUNTS_UP_TO else False
    places = alt.Scale(domain=list(range(size)), paddingInner=0, paddingOuter=0)
    turned = alt.Axis.from_dict(
        label | {"labelAngle": (-45 if size <= COUNTS_UP_TO else -90) if is_long else 0, "labelLimit": 110}
    )
    x = alt.X("p:O", title="predicted class", scale=places, axis=turned)
    y = alt.Y("t:O", title="true class", scale=places, axis=alt.Axis.from_dict(label | {"labelLimit": LABELS}))
    figures = told(
        ("true", "is"), ("predicted", "taken for"), ("n", "images", ",d"), ("percent", "of its class (%)", ".2f")
    )
    base = (
        alt.Chart()
        .encode(x=x, y=y, tooltip=figures)
        .transform_calculate(share="datum.n / totals[datum.t]")
        .transform_calculate(
            true="names[datum.t]",
            predicted="names[datum.p]",
            percent="datum.share * 100",
            kind="datum.t === datum.p ? 'right' : 'wrong'",
            strength="sqrt(datum.share) * (datum.t === datum.p ? 0.85 : 1)",
            text=PERCENT_TEXT,
        )
    )
    color = alt.Color("kind:N", legend=None).scale(
        domain=["right", "wrong"], range=[HEAT_BLUE, HEAT_AMBER] if size <= PERCENT_UP_TO else [BLUE, AMBER]
    )
    strength = alt.Opacity("strength:Q", legend=None).scale(domain=[0, 1], range=[0, 1])
    layers = [base.mark_rect().encode(color=color, opacity=strength)]
    if size <= PERCENT_UP_TO:
        roomy = alt.value(alt.ExprRef(f"width >= {size * (30 if size <= COUNTS_UP_TO else 20)} ? 1 : 0"))
        rise = -6 if size <= COUNTS_UP_TO else 0
        wide = alt.value(alt.ExprRef(f"width >= {size * 20} ? 1 : 0"))
        layers.append(base.mark_text(fontSize=11, dy=rise).encode(text="text:N", opacity=wide))
        if size <= COUNTS_UP_TO:
            count = base.mark_text(fontSize=10, dy=8, color=MUTED).encode(
                text=alt.Text("n:Q", format=","), opacity=roomy
            )
            layers.append(count)
    side = cell * size
    drawn = alt.layer(*layers, data=alt.NamedData("rows"))
    return finished(drawn, "", "", "", width=side, height=side, widest=side * 1.15 + LABELS).spec


@lru_cache
@debug_mode(False)
def _reliability_spec() -> Mapping[str, Any]:
    """Return the specification of `reliability`, for the data set `rows`."""
    scale = alt.Scale(domain=[0, 100], nice=False)
    axis = alt.Axis(values=[0, 50, 100])
    x = alt.X("confidence:Q", title="confidence (%)", scale=scale, axis=axis)
    y = alt.Y("accuracy:Q", title="right (%)", scale=scale, axis=axis)
    area = alt.Size("share:Q", legend=None).scale(domain=[0, 1], range=[18, 420])
    figures = told(
        ("images", "images", ",d"), ("confidence", "confidence (%)", ".2f"), ("accuracy", "right (%)", ".2f")
    )
    ends = alt.Chart(alt.InlineData(values=[{"confidence": 0, "accuracy": 0}, {"confidence": 100, "accuracy": 100}]))
    dots = alt.Chart(alt.NamedData("rows")).mark_point(filled=True, color=BLUE, opacity=0.85, clip=False)
    layers = [
        ends.mark_line(strokeDash=[4, 3], strokeWidth=1, color=MUTED).encode(x=x, y=y),
        dots.encode(x=x, y=y, size=area, tooltip=figures),
    ]
    return finished(alt.layer(*layers), "", "", "", width=190, height=190, widest=300).spec


def _worst(counts: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    """Return the pairs with the most mistakes, in words."""
    wrong = counts - np.diag(np.diag(counts))
    pairs = [divmod(int(flat), len(classes)) for flat in np.argsort(-wrong, axis=None, kind="stable")[:WORST]]
    return [
        f"{classes[t]} taken for {classes[p]} {wrong[t, p]:,} ({percent(wrong[t, p] / counts[t].sum())} %)"
        for t, p in pairs
        if wrong[t, p]
    ]


def _lowest(values: NDArray[np.float64], is_kappa: bool) -> float:
    """Return the lowest finite value of one half of the table; 1 where there is none."""
    half = np.tri(len(values), k=-1, dtype=bool)
    found = values[half if is_kappa else ~half]
    found = found[np.isfinite(found)]
    return float(found.min()) if len(found) else 1.0


def _pair(names: Sequence[str], values: NDArray[np.float64], row: int, column: int, low: float) -> dict[str, Any]:
    """Return a cell; its color runs from the lowest value of its half to full agreement."""
    value, is_kappa = float(values[row, column]), row > column
    who = f"seeds of {names[row]}" if row == column else f"{names[row]} and {names[column]}"
    what = "Cohen's kappa" if is_kappa else "equal predictions"
    found = {"row": row, "column": column, "who": who, "what": what, "kind": "kappa" if is_kappa else "equal"}
    if not math.isfinite(value):
        return found | {"text": "" if row == column else NOTHING, "said": NOTHING, "strength": 0}
    strength = round(0.08 + 0.87 * (value - low) / (1 - low), 3) if low < 1 else 0.95
    text = f"{value:.2f}" if is_kappa else f"{value * 100:.1f}"
    return found | {"text": text, "said": f"{value:.3f}" if is_kappa else f"{percent(value)} %", "strength": strength}
