"""Files from the network: resumed where a transfer broke off, used only if the checksum is right."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from filelock import FileLock

from harness.errors import DataError

_BYTES: Final = 1 << 18
_RANGE_NOT_SATISFIABLE: Final = 416


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file's name, the addresses that have it, and its MD5 as hex digits."""

    name: str
    urls: tuple[str, ...]
    md5: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a broken transfer is taken up again, and how long a silent server is waited for."""

    tries: int = 5
    pause_seconds: float = 1.0
    timeout_seconds: float = 30.0


def download(wanted: RemoteFile, folder: Path, patience: Patience = Patience()) -> Path:
    """Return the file's path in `folder`, fetching what of it is missing.

    A transfer that breaks off leaves `NAME.part`, which the next try, or the next call, goes on
    with. Addresses are tried in turn. Processes that want the same file wait for one another.

    Raises:
        DataError: no address gave the file, or what they gave has another checksum; a file with
            another checksum is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / wanted.name
    with FileLock(folder / f"{wanted.name}.lock"):
        if target.exists():
            _verify(target, wanted)
            return target
        part = folder / f"{wanted.name}.part"
        _transfer(wanted, part, patience)
        _verify(part, wanted)
        return part.rename(target)


def _transfer(wanted: RemoteFile, part: Path, patience: Patience) -> None:
    faults: list[str] = []
    for attempt in range(patience.tries):
        time.sleep(patience.pause_seconds if attempt > 1 else 0)  # the first retry is at once
        url = wanted.urls[attempt % len(wanted.urls)]
        try:
            _receive(url, part, patience.timeout_seconds)
            return
        except (OSError, HTTPException) as error:  # URLError and timeouts are OSErrors
            faults.append(f"  {url}: {error}")
    tried = "\n".join(dict.fromkeys(faults))
    target = part.with_suffix("")
    raise DataError(f"{wanted.name} cannot be downloaded:\n{tried}\nor put the file at {target} yourself")


def _receive(url: str, part: Path, timeout_seconds: float) -> None:
    """Append to `part` what is missing of the file; raises OSError when the connection breaks."""
    have = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"User-Agent": "harness", **({"Range": f"bytes={have}-"} if have else {})})
    try:
        with urlopen(request, timeout=timeout_seconds) as response:
            if not _continues(response, have):
                have = 0
            _append(response, part, have)
    except HTTPError as error:
        with error:
            if error.code != _RANGE_NOT_SATISFIABLE:
                raise
            if error.headers.get("Content-Range") != f"bytes */{have}":
                part.unlink()  # longer than the file: not a part of it
                raise


def _continues(response: HTTPResponse, have: int) -> bool:
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _append(response: HTTPResponse, part: Path, have: int) -> None:
    length = response.headers.get("Content-Length")
    total = have + int(length) if length else None
    with part.open("ab" if have else "wb") as file:
        for block in _watched(response, part.stem, have, total):
            file.write(block)
        received = file.tell()
    if total is not None and received < total:
        raise OSError(f"the connection broke off after {received:,} of {total:,} bytes")


def _watched(response: HTTPResponse, name: str, have: int, total: int | None) -> Iterator[bytes]:
    """Yield the response's blocks, telling on stderr how far it is: a line each tenth, or one that moves."""
    terminal = sys.stderr.isatty()
    told = -1
    while block := response.read(_BYTES):
        yield block
        have += len(block)
        step = have * (100 if terminal else 10) // total if total else -1
        if step > told:
            told = step
            _tell(name, have, total, terminal)
    if terminal:
        sys.stderr.write("\n")


def _tell(name: str, have: int, total: int | None, terminal: bool) -> None:
    share = f" of {total / 1e6:.1f} MB, {have / total:.0%}" if total else " MB"
    start, end = ("\r", "") if terminal else ("", "\n")
    sys.stderr.write(f"{start}downloading {name}: {have / 1e6:.1f}{share}{end}")
    sys.stderr.flush()


def _verify(path: Path, wanted: RemoteFile) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BYTES):
            digest.update(block)
    if digest.hexdigest() == wanted.md5:
        return
    path.unlink()
    raise DataError(
        f"{path}: wrong checksum: MD5 is {digest.hexdigest()}, expected {wanted.md5}; "
        "the file was removed, run again to download it"
    )
