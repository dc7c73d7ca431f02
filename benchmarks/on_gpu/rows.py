"""Measurements and what came of each: a row, whether it went well or not."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from pydantic import JsonValue

from harness.contracts import Frozen

if TYPE_CHECKING:
    from benchmarks.on_gpu.record import Record

Section = Literal["correctness", "speed", "limits", "packing"]
SECTIONS: Final[tuple[Section, ...]] = get_args(Section)
State = Literal["measured", "unfinished", "failed", "skipped"]
Figures = dict[str, JsonValue]
Keep = Callable[[Figures], None]
"""What a long measurement tells its figures so far, so that they are there when it is cut off."""


class Call(Frozen):
    """One call of the script: when, how and on what."""

    started: str
    command: str
    machine: str
    device: str
    gpu: str
    """The GPU's name, or "no GPU"; rows of different ones stand in different tables."""
    driver: str
    torch: str
    python: str
    images: str
    """Which images were trained on."""


class Row(Frozen):
    """What came of a measurement."""

    section: Section
    name: str
    state: State
    call: str
    """`Call.started` of the call that it was measured in."""
    gpu: str
    seconds: float = 0.0
    """All that the measurement took."""
    reason: str = ""
    """Why there are no figures, or not all; or what is to be known about them."""
    figures: Mapping[str, JsonValue] = {}

    @property
    def key(self) -> tuple[str, str, str]:
        """What another measurement of the same thing has in common with it."""
        return self.gpu, self.section, self.name

    @property
    def is_bad(self) -> bool:
        """Whether it failed, or is not as it should be."""
        return self.state == "failed" or self.figures.get("ok") is False


class NotMeasuredError(Exception):
    """A measurement that cannot be made here; the message says what it needs."""


class TimeUpError(Exception):
    """The time for the whole call is over."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A name and a way to its figures; a figure `note` (text) becomes the row's reason."""

    section: Section
    name: str
    take: Callable[[Keep], Figures]
    needs: str = ""
    """What it needs and this machine does not have."""


def measure(each: Measurement, record: Record, minutes: float | None = None) -> Row:
    """Take a measurement and record its row, with the reason where something went wrong.

    It is cut off when the minutes are over, and not begun where none are left.
    """
    begun, told = time.perf_counter(), dict[str, JsonValue]()

    def put(state: State, figures: Figures, reason: str = "") -> Row:
        told.update(figures)
        plain = {name: _plain(figure) for name, figure in told.items() if name != "note"}
        notes = "; ".join(text for text in (reason, str(told.get("note", ""))) if text)
        row = Row(
            section=each.section,
            name=each.name,
            state=state,
            call=record.call.started,
            gpu=record.call.gpu,
            seconds=round(time.perf_counter() - begun, 3),
            reason=notes,
            figures=plain,
        )
        record.put(row)
        return row

    if each.needs:
        return put("skipped", {}, each.needs)
    if minutes is not None and minutes <= 0:
        return put("skipped", {}, "not begun: the time is over")
    try:
        with _cut_off_after(minutes):
            figures = each.take(lambda figures: void(put("unfinished", figures)))
        return put("measured", figures)
    except NotMeasuredError as error:
        return put("skipped", {}, str(error))
    except TimeUpError as error:
        return put("unfinished" if told else "skipped", {}, f"cut off: {error}")
    except Exception as error:
        return put("failed", {}, f"{type(error).__name__}: {_first_line(error)}")


@contextmanager
def _cut_off_after(minutes: float | None) -> Iterator[None]:
    """Raise TimeUpError in what goes on here when the minutes are over."""

    def cut_off(*_: object) -> None:
        raise TimeUpError("the time is over")

    before = signal.signal(signal.SIGALRM, cut_off)
    signal.setitimer(signal.ITIMER_REAL, 60 * (minutes or 0))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def void(_: object) -> None:
    """Return nothing."""


def check(value: float, bound: float, ok: bool | None = None, **more: JsonValue) -> Figures:
    """Return the figures of a check: a value that is to be at most its bound."""
    return {"value": value, "bound": bound, "ok": value <= bound if ok is None else ok, **more}


def _plain(figure: JsonValue) -> JsonValue:
    """JSON has no word for what is not finite."""
    return str(figure) if isinstance(figure, float) and not math.isfinite(figure) else figure


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else "(no message)"
