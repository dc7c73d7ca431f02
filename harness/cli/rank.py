"""`harness rank FOLDER`: which of the usual models suits one's pictures; `harness init` and `harness run` in one."""

from __future__ import annotations

from shlex import quote

from harness.cli import run
from harness.cli.console import say, shown_path
from harness.cli.init import write_matrix
from harness.cli.options import Rank, Run


def perform(asked: Rank) -> int:
    """Write the matrix file, run it, and return the exit code of `harness run`.

    Raises:
        InputError: the file is there already, or nothing is where the pictures should be.
        DataError: what is there cannot be used as a data set.
        StoreError: the store cannot be reached.
    """
    write_matrix(asked.folder, asked.output)
    say(f"to go on later, or with other settings: harness run {quote(shown_path(asked.output))}")
    return run.perform(
        Run(
            matrix=asked.output,
            device=asked.device,
            workers=asked.workers,
            smoke=asked.smoke,
            json=asked.json,
            quiet=asked.quiet,
            verbose=asked.verbose,
            home=asked.home,
        )
    )
