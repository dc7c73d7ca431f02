"""Every error a person can meet, each with the exit code that the command line ends with."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import ClassVar, Final

_MANY: Final = 2_000
"""Names beyond which none is looked for that is near, nor are they listed."""


class HarnessError(Exception):
    """Base of all errors that are told to the user without a traceback."""

    exit_code: ClassVar[int] = 1


class InputError(HarnessError):
    """What the user gave is wrong; nothing was started."""

    exit_code: ClassVar[int] = 2


class MatrixError(InputError):
    """A matrix file with problems; each is one line `file:line:column: path: what is wrong`."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(map(printable, problems))
        super().__init__("\n".join(self.problems))


class DataError(InputError):
    """A data set that cannot be used as it is; the message lists the files."""


class PluginError(InputError):
    """A component file that cannot be read; the message names file and line."""


class SealError(HarnessError):
    """A second opening of a cell's test set with another model."""


class TrainingError(HarnessError):
    """A fit that cannot go on, such as a loss that is not finite; names epoch and step."""


class OutOfMemoryError(TrainingError):
    """The device ran out of memory; names model, batch size and device."""


class PrunedError(HarnessError):
    """A fit that a search has given up on; the message says at which epoch."""


class StoreError(HarnessError):
    """The tracking store cannot be reached, read or written."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean "x"?` for the valid name closest to `name`, or the list when none is close."""
    names = sorted(valid)
    if len(names) > _MANY:
        return f"; there are {len(names):,} of them"
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; valid: {', '.join(names)}" if names else ""


def printable(text: str) -> str:
    r"""Return a text as a terminal may show it: what is no printable character is written as an escape.

    >>> printable("a\nb \x1b[31m café")
    'a\\nb \\x1b[31m café'
    """
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
