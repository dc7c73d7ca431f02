"""A function over many arguments in processes of their own.

Plain subprocesses, not a pool: these work inside daemon workers, and never import the caller's
main module. Run as a module this file is such a process: a function and its arguments come in on
stdin, the answers go out on stdout.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from harness.phases import Advance, advance, phase, shown_by

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")

_MOST: Final = 16
_STEPS_AT_ONCE: Final = 100
_PACKAGE: Final = Path(__file__).parents[2]


def process_count() -> int:
    """Return how many processes this machine has room for."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(_MOST, len(affinity(0)) if affinity else os.cpu_count() or 1)


def map_in_processes(
    function: Callable[[Argument], Answer], arguments: Sequence[Argument], processes: int
) -> list[Answer]:
    """Return the function's answers in the order of the arguments.

    Function, arguments and answers are pickled, so the function has a name in a module of ours. What it says by
    `phases.advance` counts here. What a process that dies leaves undone is done here.
    """
    processes = min(processes, len(arguments))
    if processes < 2:
        return [function(argument) for argument in arguments]
    shares = [arguments[start::processes] for start in range(processes)]
    started = [_start(function, share) for share in shares]
    answers: list[Answer | None] = [None] * len(arguments)
    with ThreadPoolExecutor(processes) as readers:
        try:
            heard = list(readers.map(_collect, started))
        finally:
            for process in started:  # still alive only if this was interrupted
                process.kill()
                process.wait()
    for start, (share, found) in enumerate(zip(shares, heard, strict=True)):
        answers[start::processes] = [*found, *(function(argument) for argument in share[len(found) :])]
    return [answer for answer in answers if answer is not None]


def _start(function: Callable[[Argument], Answer], share: Sequence[Argument]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.data.parallel"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin:  # one that dies early is seen by its exit code
        process.stdin.write(pickle.dumps((function, share)))
    process.stdin = None
    return process


def _collect(process: subprocess.Popen[bytes]) -> list[Any]:
    """Return the answers until the process ends, and count the steps that it tells meanwhile."""
    answers: list[Any] = []
    assert process.stdout is not None
    with process.stdout, suppress(EOFError, pickle.UnpicklingError):
        while True:
            match pickle.load(process.stdout):
                case int(steps):
                    advance(steps)
                case (answer,):
                    answers.append(answer)
    return answers


class _Told:
    """Tells the parent of a process how many steps are done, some at a time."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output

    @contextmanager
    def phase(self, text: str, total: int | None) -> Iterator[Advance]:
        """Send the steps of a phase."""
        untold = 0

        def told(count: int) -> None:
            nonlocal untold
            untold += count
            if untold >= _STEPS_AT_ONCE:
                self._send(untold)
                untold = 0

        yield told
        self._send(untold)

    def remark(self, text: str) -> None:
        """Say nothing: the parent knows of nothing but steps."""

    def _send(self, steps: int) -> None:
        pickle.dump(steps, self._output)
        self._output.flush()


def main() -> None:
    """Answer one request from stdin on stdout: whole numbers are steps, tuples of one are answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent alone answers it
    function, arguments = pickle.load(sys.stdin.buffer)
    with shown_by(_Told(sys.stdout.buffer)):
        for argument in arguments:
            with phase(""):
                answer = function(argument)
            pickle.dump((answer,), sys.stdout.buffer)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
