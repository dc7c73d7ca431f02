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
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")

_MOST: Final = 16
_PACKAGE: Final = Path(__file__).parents[2]


def process_count() -> int:
    """Return how many processes this machine has room for."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(_MOST, len(affinity(0)) if affinity else os.cpu_count() or 1)


def map_in_processes(
    function: Callable[[Argument], Answer], arguments: Sequence[Argument], processes: int
) -> list[Answer]:
    """Return the function's answers in the order of the arguments.

    Function, arguments and answers are pickled, so the function has a name in a module of ours.
    What a process that dies leaves undone is done here.
    """
    processes = min(processes, len(arguments))
    if processes < 2:
        return [function(argument) for argument in arguments]
    shares = [arguments[start::processes] for start in range(processes)]
    started = [_start(function, share) for share in shares]
    answers: list[Answer | None] = [None] * len(arguments)
    try:
        for start, (share, process) in enumerate(zip(shares, started, strict=True)):
            answers[start::processes] = _collect(process) or [function(argument) for argument in share]
    finally:
        for process in started:  # still alive only if this was interrupted
            process.kill()
            process.wait()
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


def _collect(process: subprocess.Popen[bytes]) -> list[Answer] | None:
    output, _ = process.communicate()
    return pickle.loads(output) if process.returncode == 0 else None


def main() -> None:
    """Answer one request from stdin on stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent alone answers it
    function, arguments = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps([function(argument) for argument in arguments]))


if __name__ == "__main__":
    main()
