"""From a parsed command to its work: the module is imported now, its exit code ends the process."""

from __future__ import annotations

import importlib
import os
import platform
import signal
import sys
import tempfile
import time
import traceback
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

import typer

from harness import __version__
from harness.cli.console import messages
from harness.cli.phases import is_live, phases_on
from harness.errors import HarnessError, file_fault, printable, without_secrets
from harness.interrupts import INTERRUPTED, leave_if_kept, raise_when_interrupted
from harness.phases import phase, shown_by

ERRORS: Final = "errors"
"""The folder of a home where tracebacks are."""


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
        typer.Exit: always, with the command's exit code; what went wrong has been told on stderr.
        BrokenPipeError: whoever read stdout has gone.
    """
    try:
        raise_when_interrupted()
        with nullcontext() if request.is_quiet else shown_by(phases_on(messages())):
            code = _work_of(command, request).perform(request)
    except HarnessError as error:
        _tell(error, request.verbose)
        code = error.exit_code
    except (typer.Exit, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        code = _interrupted()
    except Exception as error:
        code = _unforeseen(error, command, request)
    leave_if_kept(code)
    raise typer.Exit(code)


def _interrupted() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break the last words
    sys.stderr.write("interrupted\n")
    return INTERRUPTED


def _unforeseen(error: Exception, command: str, request: Request) -> int:
    """Tell in a sentence what no part of the harness has foreseen, its traceback in a file; return the exit code."""
    if isinstance(error.__context__, KeyboardInterrupt):  # as it comes out of some imports
        return _interrupted()
    words = file_fault(error) if isinstance(error, OSError) else ""
    if not words:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        words = f"harness {command} ended by a fault of its own: {what}; {_traceback_kept(error, command, request)}"
    told = HarnessError(words)
    told.__cause__ = error
    _tell(told, request.verbose)
    return told.exit_code


def _traceback_kept(error: Exception, command: str, request: Request) -> str:
    """Write the traceback to a file below the home, or the temporary folder; return where, as words."""
    home = getattr(request, "home", None)
    text = without_secrets("".join(traceback.format_exception(error)))
    head = f"harness {__version__}, Python {platform.python_version()}: {without_secrets(' '.join(sys.argv))}"
    below = [home / ERRORS] if home is not None and home.is_dir() else []
    for folder in (*below, Path(tempfile.gettempdir())):
        path = folder / f"harness-{command}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        with suppress(OSError):
            folder.mkdir(exist_ok=True)
            path.write_text(f"{head}\n\n{text}", encoding="utf-8", errors="backslashreplace")
            return f"the traceback is in {path}"
    return "run it again with --verbose to see where"


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
    text = "".join(traceback.format_exception(error)) if verbose else f"{error}\n"
    sys.stderr.write(printable(without_secrets(text).rstrip("\n") + "\n", "\n"))
