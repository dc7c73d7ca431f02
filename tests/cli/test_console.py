"""What the terminal gets: no text from anywhere steers it, and brackets are brackets."""

from __future__ import annotations

import json
import sys

import pytest
from rich.text import Text

from harness.cli.console import print_json, results, say, table
from harness.cli.dispatch import perform
from harness.cli.options import Validate
from harness.errors import InputError, printable
from tests.nasty import NASTY


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_nothing_steers_the_terminal(capsys: pytest.CaptureFixture[str], text: str) -> None:
    shown = table("name", text, title=text)
    shown.add_row(Text(text), text)
    results().print(shown, Text(text), text)
    say(text)
    print_json({text: [text]})
    said = capsys.readouterr()
    for part in (said.out, said.err):
        assert printable(part, "\n") == part


def test_brackets_and_colons_are_shown() -> None:
    with results().capture() as captured:
        results().print("[red]x[/red] :smile: [/] [x](y)")
    assert captured.get().strip() == "[red]x[/red] :smile: [/] [x](y)"


def test_json_is_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(dict.fromkeys(NASTY, 1))
    assert json.loads(capsys.readouterr().out) == dict.fromkeys(NASTY, 1)


@pytest.mark.parametrize("verbose", [False, True])
def test_an_error_steers_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verbose: bool
) -> None:
    def fail(asked: object) -> int:
        raise InputError("\x1b[2J\u202egnp.x\nsecond line")

    monkeypatch.setattr("harness.cli.validate.perform", fail)
    with pytest.raises(Exception, match="2"):
        perform("validate", Validate(matrix=__import__("pathlib").Path("x"), verbose=verbose))
    said = capsys.readouterr().err
    assert "\\x1b[2J\\u202egnp.x\nsecond line\n" in said
    assert printable(said, "\n") == said
    assert sys.stderr is not None
