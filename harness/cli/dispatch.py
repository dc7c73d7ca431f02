"""From a parsed command to its work: the module is imported now, its exit code ends the process."""

from __future__ import annotations

import importlib
import signal
import sys
import traceback
from contextlib import nullcontext
from typing import Any, Final, NoReturn, Protocol

import typer

from harness.cli.console import messages
from harness.cli.phases import is_live, phases_on
from harness.errors import HarnessError, printable
from harness.phases import phase, shown_by

INTERRUPTED: Final = 130


class Request(Protocol):
    """What every command is asked with."""

    @property
    def verbose(self) -> bool:
        """Whether errors are told with their traceback."""

    @property
    def begins(self) -> str:
        """What is said before anything slow is imported, empty for nothing."""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is said of what goes on."""


def perform(command: str, request: Request) -> NoReturn:
    """Do the work of a command: `harness.cli.COMMAND.perform(request)` returns the exit code.

    Raises:
        typer.Exit: always, with the command's exit code; a HarnessError has been told on stderr.
    """
    try:
        with nullcontext() if request.is_quiet else shown_by(phases_on(messages())):
            code = _work_of(command, request).perform(request)
    except HarnessError as error:
        _tell(error, request.verbose)
        code = error.exit_code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break the last words
        sys.stderr.write("interrupted\n")
        code = INTERRUPTED
    raise typer.Exit(code)


def _work_of(command: str, request: Request) -> Any:
    """Import the command's module; a terminal hears of it at once, however long that takes."""
    begins = request.begins or ("starting" if is_live(messages()) else "")
    with phase(begins) if begins else nullcontext():
        return work_of(command)


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
    sys.stderr.writelines(f"{printable(line)}\n" for line in str(error).split("\n"))
