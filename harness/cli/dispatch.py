"""From a parsed command to its work: the module is imported now, its exit code ends the process."""

from __future__ import annotations

import importlib
import signal
import sys
import traceback
from typing import Any, Final, NoReturn

import typer

from harness.errors import HarnessError

INTERRUPTED: Final = 130


def perform(command: str, request: object, verbose: bool = False) -> NoReturn:
    """Do the work of a command: `harness.cli.COMMAND.perform(request)` returns the exit code.

    Raises:
        typer.Exit: always, with the command's exit code; a HarnessError has been told on stderr.
    """
    try:
        code = work_of(command).perform(request)
    except HarnessError as error:
        _tell(error, verbose)
        code = error.exit_code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break the last words
        print("interrupted", file=sys.stderr)  # noqa: T201
        code = INTERRUPTED
    raise typer.Exit(code)


def work_of(module: str) -> Any:
    """Import a module of this package by name.

    This is the one place where the command line does that, so that torch, mlflow and the like are
    loaded by the commands that need them, when they need them, and by no others.
    """
    return importlib.import_module(f"harness.cli.{module}")


def _tell(error: HarnessError, verbose: bool) -> None:
    if verbose:
        traceback.print_exception(error)
        return
    print(error, file=sys.stderr)  # noqa: T201
