from __future__ import annotations

import pytest

from harness.cli.dispatch import _tell
from harness.errors import DataError, MatrixError, nearest, printable


def test_what_is_no_printable_character_is_written_as_an_escape() -> None:
    text = "café 画像\n\x1b[2J \u202egnp \ud800"
    assert printable(text) == r"café 画像\n\x1b[2J \u202egnp \ud800"


def test_a_problem_of_a_matrix_file_is_one_line() -> None:
    assert str(MatrixError(["one\ntwo", "three"])).split("\n") == [r"one\ntwo", "three"]


def test_a_message_keeps_its_lines_and_loses_what_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _tell(DataError("not read:\n  a\x1b[31m.png\n  b.png"), verbose=False)
    assert capsys.readouterr().err == "not read:\n  a\\x1b[31m.png\n  b.png\n"


def test_among_very_many_names_none_is_looked_for() -> None:
    assert nearest("c1", [f"e{number}" for number in range(20_000)]) == "; there are 20,000 of them"
