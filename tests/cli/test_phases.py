"""How what goes on outside of cells is shown."""

from __future__ import annotations

import sys
from io import StringIO
from threading import Thread

import pytest
from rich.console import Console

from harness.cli.phases import LivePhases, PlainPhases, phases_on
from harness.phases import phase, shown_by
from tests.cli.conftest import Clock


def text_of(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_where_nobody_listens_nothing_happens() -> None:
    with phase("decoding", 3) as advance:
        advance(3)


def test_without_a_terminal_a_phase_is_one_line_and_a_long_one_says_how_far_it_is() -> None:
    console, clock = Console(file=StringIO(), width=80), Clock()
    with shown_by(PlainPhases(console, now=clock)):
        with phase("reading m.yaml"):
            pass
        with phase("decoding 100 images", 100) as advance:
            for _ in range(4):
                clock.seconds += 6
                advance(25)
    lines = text_of(console).splitlines()
    assert lines == ["reading m.yaml", "decoding 100 images", "decoding 100 images: 50 %"]


def test_in_a_terminal_a_phase_moves_and_leaves_nothing_behind() -> None:
    console = Console(file=StringIO(), width=80, force_terminal=True, color_system=None)
    display = phases_on(console)
    assert isinstance(display, LivePhases)
    with shown_by(display), phase("decoding [all] images", 10) as advance:
        advance(4)
        with phase("within"):
            display.refresh()
    shown = text_of(console)
    assert "decoding [all] images" in shown and "40 %" in shown and "within" in shown
    assert "\x1b[2K" in shown.rpartition("within")[2]  # both lines are erased


def test_phases_come_from_any_thread() -> None:
    console = Console(file=StringIO(), width=80, force_terminal=True)

    def work() -> None:
        for _ in range(50):
            with phase("working", 2) as advance:
                advance(1)

    with shown_by(phases_on(console)):
        threads = [Thread(target=work) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()


def test_phases_are_shown_by_the_innermost_display_and_by_none_afterwards() -> None:
    outer, inner = Console(file=StringIO(), width=80), Console(file=StringIO(), width=80)
    with shown_by(PlainPhases(outer)):
        with shown_by(PlainPhases(inner)), phase("one"):
            pass
        with phase("two"):
            pass
    with phase("three"):
        pass
    assert (text_of(inner), text_of(outer)) == ("one\n", "two\n")


def test_results_go_to_stdout_while_a_phase_moves(capsys: pytest.CaptureFixture[str]) -> None:
    """Else `harness ... > file` would lose what is printed meanwhile to the terminal."""
    console = Console(file=StringIO(), width=80, force_terminal=True)
    with shown_by(phases_on(console)), phase("working"):
        sys.stdout.write("a result\n")
    assert capsys.readouterr().out == "a result\n"
    assert "a result" not in text_of(console)
