"""Rows as Markdown tables, one set for each kind of GPU, with the calls they come from above them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from benchmarks.on_gpu.record import Results
from benchmarks.on_gpu.rows import SECTIONS, Call, Row, Section

NOTHING: Final = "-"
UNTOLD: Final = {"first_step_seconds", "validation_images", "reached_seconds", "target_accuracy"}
"""Figures that are in the file and not in the notes."""
Form = Callable[[JsonValue], str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading, the figure it shows and how."""

    heading: str
    figure: str
    form: Form

    def cell(self, figures: Mapping[str, JsonValue]) -> str:
        """Return the figure as text; a figure that is not finite is text already."""
        value = figures.get(self.figure)
        return NOTHING if value is None else value if isinstance(value, str) else self.form(value)


def number(text: str, factor: float = 1.0) -> Form:
    """Return a form that multiplies with `factor` and writes by a format."""
    return lambda value: text.format(float(value) * factor) if isinstance(value, int | float) else str(value)


def yes_or_no(value: JsonValue) -> str:
    """Return a truth value as a word."""
    return "yes" if value else "**no**"


PERCENT: Final = number("{:.2f} %", 100)
SECONDS: Final = number("{:.2f} s")
WHOLE: Final = number("{:,.0f}")
GIGABYTES: Final = number("{:.2f} GB", 1e-9)
TIMES: Final = number("{:.1f}x")

COLUMNS: Final[Mapping[Section, Sequence[Column]]] = {
    "correctness": (
        Column("value", "value", number("{:.3g}")),
        Column("bound", "bound", number("{:.3g}")),
        Column("holds", "ok", yes_or_no),
    ),
    "speed": (
        Column("images/s", "recorded_rate", WHOLE),
        Column("steps one by one", "one_by_one_rate", WHOLE),
        Column("tutorials' script", "tutorial_rate", WHOLE),
        Column("times the script", "times_tutorial", TIMES),
        Column("epoch of 45,000", "epoch_seconds", SECONDS),
        Column("with validation", "epoch_and_validation_seconds", SECONDS),
        Column("TFLOP/s", "tflops", number("{:.4g}")),
        Column("of the peak", "share_of_peak", PERCENT),
        Column("peak memory", "peak_bytes", GIGABYTES),
        Column("recorded", "is_recorded", yes_or_no),
        Column("recording", "recording_seconds", SECONDS),
        Column("compiled, images/s", "compiled_rate", WHOLE),
        Column("times not compiled", "times_plain", number("{:.2f}x")),
        Column("compiling", "compile_seconds", SECONDS),
    ),
    "limits": (
        Column("epochs", "epochs", WHOLE),
        Column("seeds", "seeds", WHOLE),
        Column("training", "training_seconds", SECONDS),
        Column("target", "target_seconds", number("< {:.0f} s")),
        Column("reached", "within", yes_or_no),
        Column("whole fit", "fit_seconds", SECONDS),
        Column("to accuracy", "target_accuracy", number("{:.0f} %", 100)),
        Column("after", "reached_seconds", SECONDS),
        Column("seeds that got there", "reached", WHOLE),
        Column("validation", "validation_accuracy", PERCENT),
        Column("sd", "validation_accuracy_sd", PERCENT),
        Column("with TTA", "validation_accuracy_tta", PERCENT),
        Column("sd with TTA", "validation_accuracy_tta_sd", PERCENT),
        Column("test", "test_accuracy", PERCENT),
        Column("test with TTA", "test_accuracy_tta", PERCENT),
        Column("sd of test with TTA", "test_accuracy_tta_sd", PERCENT),
    ),
    "packing": (Column("cells an hour, one after the other", "cells_an_hour", WHOLE),),
}


def tables(results: Results) -> str:
    """Return all rows as Markdown."""
    kinds = dict.fromkeys(row.gpu for row in results.rows)
    return "\n".join(line for gpu in kinds for line in _of_one(gpu, results.of(gpu))) + "\n" if kinds else "no rows\n"


def _of_one(gpu: str, results: Results) -> list[str]:
    lines = [f"## {gpu}", "", *(line for call in results.calls for line in _told(call))]
    for section in SECTIONS:
        rows = [row for row in results.rows if row.section == section]
        if rows:
            lines += ["", f"### {section.capitalize()}", "", *_table(COLUMNS[section], rows)]
    return [*lines, ""]


def _told(call: Call) -> tuple[str, str]:
    where = f"{call.machine}; {call.gpu}, driver {call.driver}; torch {call.torch}, Python {call.python}"
    return f"- {call.started[:16].replace('T', ' ')} UTC: `{call.command}`", f"  on {where}; images: {call.images}"


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    """Return a table; columns that no row has a figure for are left out."""
    filled = [each for each in columns if any(row.figures.get(each.figure) is not None for row in rows)]
    heads = ["", *(each.heading for each in filled), "notes"]
    cells = [[row.name, *(each.cell(row.figures) for each in filled), _notes(row, filled)] for row in rows]
    rule = ["---", *("---:" for _ in filled), "---"]
    return [f"| {' | '.join(_safe(each) for each in line)} |" for line in (heads, rule, *cells)]


def _notes(row: Row, shown: Sequence[Column]) -> str:
    """Return the state, where it is not that all went well, the reason, and short figures that have no column."""
    named = {each.figure for each in shown} | UNTOLD
    more = [f"{name} {_short(value)}" for name, value in row.figures.items() if name not in named and _is_short(value)]
    state = [] if row.state == "measured" else [f"**{row.state}**"]
    return "; ".join([*state, *([row.reason] if row.reason else []), *more])


def _is_short(value: JsonValue) -> bool:
    return isinstance(value, str | int | float)


def _short(value: JsonValue) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
