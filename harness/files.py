"""Files and folders that are whole or absent, through a power cut too, and that tell when they have been damaged.

Whatever is kept to save work (checkpoints, fitted models, decoded images) is written here: beside its place, flushed to
the disk, then renamed. It is sealed on the way, a file with the digest of its bytes, a folder with the digests of its
files, and is believed only as long as it is what was written: whoever finds it damaged discards it, which is told, and
makes it again.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Collection
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from harness.seeds import file_digest

SEAL: Final = "digests.json"
"""The file of a sealed folder that holds the digests of the others, by name."""
_BLOCK: Final = 1 << 20
_LOG: Final = logging.getLogger(__name__)


def write_sealed(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file with the SHA-256 of its bytes behind them; the one that was there is kept, see `generations`.

    Raises:
        OSError: it could not be written; what was there before is still there.
    """

    def write_both(file: IO[bytes]) -> None:
        write(file)
        file.write(_digest_of(file, file.tell()))

    write_file(path, write_both, keep=True)


def is_sealed(path: Path) -> bool:
    """Whether there is a file that is still what `write_sealed` wrote."""
    try:
        with path.open("rb") as file:
            length = max(0, file.seek(0, os.SEEK_END) - sha256().digest_size)
            return _digest_of(file, length) == file.read()
    except OSError:
        return False


def read_sealed(path: Path) -> bytes | None:
    """Return what `write_sealed` wrote; None where there is nothing, or something else."""
    return path.read_bytes()[: -sha256().digest_size] if is_sealed(path) else None


def _digest_of(file: IO[bytes], length: int) -> bytes:
    """Return the SHA-256 of a file's first bytes, and leave it behind them."""
    file.seek(0)
    digest = sha256()
    while block := file.read(min(_BLOCK, length - file.tell())):
        digest.update(block)
    return digest.digest()


def write_file(path: Path, write: Callable[[IO[bytes]], object], *, keep: bool = False) -> None:
    """Write a file whole or not at all, in place of whatever is there.

    Args:
        path: Where it is to be.
        write: Is given the file, open, and writes it.
        keep: Whether the file that was there is kept as the one before, see `generations`.

    Raises:
        OSError: it could not be written; what was there before is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with beside.open("w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if keep and path.is_file():
            path.replace(generations(path)[1])
        if path.is_dir():
            remove(path)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _flush(path.parent)


def generations(path: Path) -> tuple[Path, Path]:
    """Return where a file is that is kept in two generations: the newest, and the one before it."""
    return path, path.with_name(f"{path.name}.before")


def publish(scratch: Path, folder: Path) -> None:
    """Seal a folder and move it to its place, whole or not at all, in place of whatever is there."""
    seal(scratch)
    for path in scratch.iterdir():
        _flush(path)
    _flush(scratch)
    remove(folder)
    scratch.replace(folder)
    _flush(folder.parent)


def seal(folder: Path) -> None:
    """Write down the digests of all files in a folder, none of which is a folder itself."""
    digests = {path.name: file_digest(path) for path in sorted(folder.iterdir()) if path.name != SEAL}
    write_file(folder / SEAL, lambda file: file.write(json.dumps(digests, indent=1).encode()))


def fault_of(folder: Path, names: Collection[str] | None = None) -> str:
    """Return what is wrong with a sealed folder, "" of one that is whole.

    Digests are taken as `known_digest` takes them.

    Args:
        folder: Where it was published.
        names: The files that are to be looked at; None for all that were sealed.
    """
    try:
        sealed = json.loads((folder / SEAL).read_bytes())
        wanted = {name: sealed[name] for name in (sealed if names is None else names)}
    except FileNotFoundError:
        return f"it has no {SEAL}" if folder.is_dir() else "it is not there"
    except NotADirectoryError:
        return "it is a file where a folder should be"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its {SEAL} cannot be used ({error})"
    for name, digest in wanted.items():
        if (fault := _fault_of_file(folder / name, digest)) is not None:
            return f"its {name} {fault}"
    return ""


def is_whole(folder: Path, names: Collection[str] | None = None) -> bool:
    """Whether a sealed folder is there and nothing is wrong with it; see `fault_of`."""
    return not fault_of(folder, names)


def discard(folder: Path, names: Collection[str] | None = None) -> None:
    """Remove a sealed folder that is not whole, or what is in its place, and tell what was wrong; see `fault_of`."""
    if os.path.lexists(folder):
        _LOG.warning("%s is damaged and is made again: %s", folder, fault_of(folder, names))
        remove(folder)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that it holds, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _fault_of_file(path: Path, digest: str) -> str | None:
    try:
        found = known_digest(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if found == digest else "does not hold what was written"


def known_digest(path: Path) -> str:
    """Return a file's digest, taken once in a process as long as its size, time and inode stay the same.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    status = path.stat()
    return _digest_once(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=1024)
def _digest_once(path: Path, _size: int, _changed: int, _inode: int) -> str:
    return file_digest(path)


def _flush(path: Path) -> None:
    """Have the system write a file's bytes, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some file systems do not flush folders
            raise
    finally:
        os.close(descriptor)
