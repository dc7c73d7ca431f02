"""How a dataclass becomes a command, and what help and completion say of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import dispatch, options
from harness.cli.options import LrFind, Plan, Report, Run, Tune, app

COMMANDS = ("run", "plan", "validate", "tune", "report", "audit", "status", "compare", "predict", "export", "lr-find")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """What commands hand on: nothing is performed."""
    seen: list[tuple[str, object]] = []
    monkeypatch.setattr(options, "perform", lambda command, request: seen.append((command, request)))
    return seen


def test_a_command_hands_its_dataclass_to_the_module_of_its_name(asked: list[tuple[str, object]]) -> None:
    CliRunner().invoke(app, ["lr-find", "m.yaml", "mlp", "--steps", "20", "--set", "a=1", "--set", "b=2"])
    wanted = LrFind(matrix=Path("m.yaml"), experiment="mlp", steps=20, override=("a=1", "b=2"))
    assert asked == [("lr_find", wanted)]


def test_an_inherited_argument_comes_before_the_commands_own(asked: list[tuple[str, object]]) -> None:
    CliRunner().invoke(app, ["tune", "m.yaml", "mlp", "-q"])
    assert asked == [("tune", Tune(matrix=Path("m.yaml"), name="mlp", quiet=True))]


def test_what_is_not_given_has_the_fields_default(asked: list[tuple[str, object]]) -> None:
    CliRunner().invoke(app, ["run", "m.yaml"])
    assert asked == [("run", Run(matrix=Path("m.yaml")))]


def test_run_becomes_plan_by_changing_one_word(asked: list[tuple[str, object]]) -> None:
    rest = ["m.yaml", "--only", "a*", "--workers", "2", "--retry", "1", "--fail-fast", "--rerun", "stale", "--smoke"]
    for command in ("run", "plan"):
        CliRunner().invoke(app, [command, *rest])
    (_, run), (_, plan) = asked
    assert isinstance(run, Run) and isinstance(plan, Plan)
    assert vars(run) == vars(plan)
    assert run.store_home == Path(".harness/smoke") and run.cache == Path(".harness/cache")


def test_only_may_be_given_again(asked: list[tuple[str, object]]) -> None:
    CliRunner().invoke(app, ["run", "m.yaml", "--only", "mlp", "--only", "cnn*"])
    assert asked == [("run", Run(matrix=Path("m.yaml"), only=("mlp", "cnn*")))]


def test_a_report_can_be_quiet(asked: list[tuple[str, object]]) -> None:
    CliRunner().invoke(app, ["report", "m.yaml", "-q"])
    (_, report) = asked[0]
    assert isinstance(report, Report) and report.is_quiet


def test_every_command_has_its_help_and_takes_verbose() -> None:
    for command in COMMANDS:
        shown = CliRunner().invoke(app, [command, "--help"])
        assert shown.exit_code == 0 and "--verbose" in shown.stdout, command


def test_help_is_a_command_too() -> None:
    assert CliRunner().invoke(app, ["help"]).stdout == CliRunner().invoke(app, ["--help"]).stdout
    assert "M.yaml" in CliRunner().invoke(app, ["help", "run"]).stdout
    wrong = CliRunner().invoke(app, ["help", "rin"])
    assert wrong.exit_code == 2 and "run" in wrong.stderr


def completed(words: str, position: int) -> list[str]:
    """Return what bash is offered for the word at a position of a command line."""
    request = {"_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli"], env=os.environ | request, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_bash_completes_commands_and_options() -> None:
    assert completed("harness pl", 1) == ["plan"]
    assert {"--workers", "--smoke", "--only"} <= set(completed("harness run --", 2))
    assert completed("harness run m.yaml --exec", 3) == ["--executor"]


def test_the_script_for_bash_completes_in_a_real_shell(tmp_path: Path) -> None:
    """What `harness --show-completion` prints is sourced, and its function called as bash calls it on Tab."""
    own = tmp_path / "harness"
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness.cli "$@"\n')
    own.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "_HARNESS_COMPLETE": "source_bash"}
    script = subprocess.run(["harness"], env=environment, capture_output=True, text=True, check=True).stdout
    tab = 'COMP_WORDS=(harness aud) COMP_CWORD=1; _harness_completion harness aud harness; echo "${COMPREPLY[@]}"'
    del environment["_HARNESS_COMPLETE"]
    words = ["bash", "-c", f"{script}\n{tab}"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "audit", done.stderr


def test_the_home_of_validate_is_accepted_as_everywhere(tmp_path: Path) -> None:
    matrix = tmp_path / "m.yaml"
    matrix.write_text("version: 1\nstudy: a\ndataset: {name: digits}\nexperiments: {floor: {model: majority}}\n")
    done = CliRunner().invoke(app, ["validate", str(matrix), "--home", str(tmp_path / "home")])
    assert (done.exit_code, done.stdout) == (0, "ok: 1 cell in 1 experiment\n")
    assert not (tmp_path / "home").exists()


def test_interrupts_and_errors_end_with_their_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        @staticmethod
        def perform(_asked: object) -> int:
            raise KeyboardInterrupt

    monkeypatch.setattr(dispatch, "work_of", lambda _module: Interrupted)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert CliRunner().invoke(app, ["schema"]).exit_code == 130
