"""Every error a person can meet, each with the exit code that the command line ends with."""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import ClassVar, Final
from unicodedata import category
from urllib.parse import quote, unquote

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


class WorkerDiedError(HarnessError):
    """A cell whose worker process has ended; says how."""


class StalledError(HarnessError):
    """A cell that gave no sign of life for too long, or took longer than it may; says for how long."""


class PreemptedError(HarnessError):
    """A cell whose worker was told to end (SIGTERM, SIGUSR1) by whoever owns the machine; its checkpoint is kept."""


class PrunedError(HarnessError):
    """A fit that a search has given up on; the message says at which epoch."""


class StoreError(HarnessError):
    """The tracking store cannot be reached, read or written."""


class StoreAwayError(StoreError):
    """The tracking store does not answer now and may answer later: it is down, busy, or locked by another process."""


class StoreRefusedError(StoreError):
    """The tracking store does not take what it was given, or does not have what it was asked for; else it works."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean "x"?` for the valid name closest to `name`, or the list when none is close."""
    names = sorted(valid)
    if len(names) > _MANY:
        return f"; there are {len(names):,} of them"
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; valid: {', '.join(names)}" if names else ""


def printable(text: str, kept: str = "") -> str:
    r"""Return a text as a terminal may show it: what steers terminals or turns lines around is written as an escape.

    Args:
        text: Any text.
        kept: Characters that stay what they are, such as ends of lines.

    >>> printable("a\nb \x1b[31m café \u202egnp")
    'a\\nb \\x1b[31m café \\u202egnp'
    """
    if text.isprintable():
        return text
    return "".join(each if _is_shown(each) or each in kept else ascii(each)[1:-1] for each in text)


def _is_shown(character: str) -> bool:
    return character.isprintable() or category(character) == "Zs"  # spaces of all widths


SECRETS: Final = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""Environment variables that are secrets as they are."""
ADDRESSES: Final = ("MLFLOW_TRACKING_URI", "HARNESS_OPTUNA_STORAGE")
"""Environment variables that are addresses and may hold a user and a password."""
_CREDENTIALS: Final = re.compile(r"(?<=://)[^\s/\"'<>]*@")
_SHORTEST: Final = 8
"""Characters of a secret that is looked for by itself: a shorter one would be found in every other word."""


def without_secrets(text: str) -> str:
    """Return a text without user and password of any address in it, and without the secrets of the environment.

    Addresses, and what libraries say of them, are shown and stored through this and no other way.

    >>> without_secrets("no answer from https://me:secret@host:5000/path")
    'no answer from https://host:5000/path'
    """
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _CREDENTIALS.sub("", text)


def credentials_of(address: str) -> tuple[str, str, str]:
    """Return an address without user and password, and these two, empty where it has none.

    >>> credentials_of("https://me:s%40cret@host:5000/path")
    ('https://host:5000/path', 'me', 's@cret')
    """
    scheme, mark, rest = address.partition("://")
    if not mark or "@" not in rest:
        return address, "", ""
    given, _, place = rest.rpartition("@")
    user, _, password = given.partition(":")
    return f"{scheme}://{place}", unquote(user), unquote(password)


def _secrets() -> Iterator[str]:
    known = [os.environ.get(name, "") for name in SECRETS]
    known += [credentials_of(os.environ.get(name, ""))[2] for name in ADDRESSES]
    for secret in known:
        if len(secret) >= _SHORTEST:
            yield from {secret, quote(secret), quote(secret, safe="")}


_FULL: Final = "the disk is full; make room, then run the same command again"
_NO_FOLDER: Final = "a file stands where a folder should be; move it away, or choose another place"
_FORBIDDEN: Final = "this user may not read or write it; change that, or choose another place"
_FILE_FAULTS: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "it would be larger than this process may write; raise that limit (ulimit -f)",
    errno.EROFS: "it lies on a disk that can only be read; choose another place",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
    errno.EISDIR: "a folder stands where a file should be; move it away, or choose another place",
    errno.ENAMETOOLONG: "its name is too long for this disk",
    errno.EIO: "the disk gives an error; check that it works",
    errno.EMFILE: "too many files are open; raise that limit (ulimit -n)",
}


def file_fault(error: OSError) -> str:
    """Return in a sentence what keeps a file from being read or written and what to do; "" of another error.

    >>> file_fault(OSError(errno.ENOSPC, "No space left on device", "/data/cache/images.npy"))
    '/data/cache/images.npy: the disk is full; make room, then run the same command again'
    """
    words = _FILE_FAULTS.get(error.errno or 0, "")
    return f"{error.filename}: {words}" if words and error.filename is not None else words
