"""The files of runs: put beside a run, found again, and shown in MLflow's charts where they are pictures.

In an embedded store they are found where they lie. From a server they are fetched into `HOME/downloads`, each once: the
files of a run that has ended stay as they are, so a copy of them is good until the run is taken up again, and what this
process itself has put there it does not fetch. An audit, which doubts that, fetches all of them anew.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import uuid
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Final, TypeVar

from PIL import Image

from harness.errors import StoreError
from harness.track.client import Client
from harness.track.runs import Record
from harness.track.within import files_of, within
from harness.words import listed

T = TypeVar("T")
DOWNLOADS: Final = "downloads"
AT_ONCE: Final = 8
"""Files that are on their way to or from a server side by side."""
NOT_KEPT: Final = ".safetensors"
"""Weights are large, and what is read again of a run just ended is not they."""
PUT: Final = "put"
READ: Final = "read"
"""Folders of copies of a run that still runs: what this process put there, and what it read."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run's files are: a folder or an address, and the Unix millisecond at which the run ended, if it did."""

    address: str
    ended: int | None


class RunFiles:
    """The files of a store's runs, by run id and path.

    Addresses come from the store's database, and names of files from a server: what they lead to outside of the store's
    own folder is neither read nor written.

    Args:
        client: The store's client.
        home: Where copies of a server's files are kept; None in an embedded store, whose files need no copies.
        root: What all files of an embedded store lie below; None of a server, or a database of the user's own.
        trusting: Whether copies that an earlier process fetched are good enough.
    """

    def __init__(self, client: Client, home: Path | None, root: Path | None = None, trusting: bool = True) -> None:
        self._client = client
        self._home = home
        self._root = root
        self._copies = Path()
        if home is not None and trusting:
            self._copies = home / DOWNLOADS
        elif home is not None:
            (home / DOWNLOADS).mkdir(parents=True, exist_ok=True)
            self._copies = Path(mkdtemp(dir=home / DOWNLOADS, prefix="anew-"))
            weakref.finalize(self, shutil.rmtree, self._copies, ignore_errors=True)
        self._places: dict[str, Place] = {}
        self._listings: dict[tuple[str, str], dict[str, bool]] = {}
        """Names in a folder of a run that has ended, and whether each is a folder."""

    def know(self, records: Iterable[Record]) -> None:
        """Take where the files of some runs are from their records: asking for each takes longer than to read one."""
        for record in records:
            ended = None if record.end is None else round(record.end * 1000)
            self._places[record.run_id] = Place(record.artifacts, ended)

    def begin(self, run_id: str, address: str) -> None:
        """Note that a run runs, so that its files may change."""
        self._places[run_id] = Place(address, None)
        shutil.rmtree(self._copies / run_id / PUT, ignore_errors=True)

    def end(self, run_id: str, ended: int) -> None:
        """Note that a run has ended, at a Unix millisecond: what was put there by this process is a copy of it."""
        place = self._place(run_id)
        if self._home is not None and place.ended is None:
            kept = self._copies / run_id / PUT
            if kept.is_dir():
                kept.rename(kept.with_name(str(ended)))
        self._places[run_id] = replace(place, ended=ended)

    def put(self, run_id: str, folder: Path) -> None:
        """Put all files below `folder` beside a run, under the same relative paths."""
        self.put_at(self._place(run_id).address, folder)
        if self._home is not None:
            self._keep(folder, self._copies / run_id / PUT)

    def put_at(self, address: str, folder: Path) -> None:
        """Put all files below `folder` at an artifact address, such as a logged model's.

        Raises:
            StoreError: the store cannot be reached or written, or the address leads out of it.
        """
        self._require_own(Path(address))
        repository = self._client.repository(address)
        if self._home is None:
            self._client.call(repository.log_artifacts, str(folder))
            return
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        put = partial(_side_by_side, lambda path: repository.log_artifact(str(path), _parent(path, folder)), files)
        self._client.call(put)

    def put_text(self, run_id: str, text: str, path: str) -> None:
        """Put text beside a run, as the file `path`."""
        with TemporaryDirectory() as beside:
            file = Path(beside) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            self.put(run_id, Path(beside))

    def get(self, run_id: str, path: str) -> Path | None:
        """Return a file or folder of a run as a local path, None if the run has none of that name; "" is all of them.

        Raises:
            StoreError: the store cannot be reached or read, or what is there is no file of its own.
        """
        place = self._place(run_id)
        if self._home is None:
            local = Path(place.address) / path
            self._require_own(local)
            strange = files_of(local, self._root).strange if self._root is not None and local.is_dir() else ()
            if strange:
                raise StoreError(f"the store has what is no file of its own:\n{listed(strange)}")
            return local if local.exists() else None
        local = self._folder(run_id, place) / path
        if place.ended is not None and local.is_file():
            return local
        kind = self._kind(run_id, path)
        if kind is None:
            return None
        self._fetch(run_id, place, sorted(self._below(run_id, path)) if kind == "folder" else [path])
        return local

    def _require_own(self, local: Path) -> None:
        """Raise StoreError if a path of an embedded store leads out of its folder, or to what is no file or folder."""
        if self._root is None:
            return
        if not within(self._root, local):
            raise StoreError(f"{local}: the store names this place, which is not below {self._root}; it is left alone")
        if local.exists() and not (local.is_file() or local.is_dir()):
            raise StoreError(f"{local}: is no regular file; it is left alone")

    def _place(self, run_id: str) -> Place:
        if run_id not in self._places:
            info = self._client.get_run(run_id).info
            self._places[run_id] = Place(info.artifact_uri, info.end_time or None)
        return self._places[run_id]

    def _folder(self, run_id: str, place: Place) -> Path:
        """Return where copies of a run's files are; a run that ends again has another folder."""
        return self._copies / run_id / (READ if place.ended is None else str(place.ended))

    def _kind(self, run_id: str, path: str) -> str | None:
        """Return whether a path of a run is a "file", a "folder" or, None, not there."""
        if not path:
            return "folder"
        parent = posixpath.dirname(path)
        if parent and self._kind(run_id, parent) != "folder":
            return None
        is_folder = self._listing(run_id, parent).get(path)
        return None if is_folder is None else "folder" if is_folder else "file"

    def _below(self, run_id: str, folder: str) -> Iterable[str]:
        for path, is_folder in self._listing(run_id, folder).items():
            if is_folder:
                yield from self._below(run_id, path)
            else:
                yield path

    def _listing(self, run_id: str, folder: str) -> dict[str, bool]:
        if (run_id, folder) in self._listings:
            return self._listings[run_id, folder]
        place = self._place(run_id)
        found = self._client.call(self._client.repository(place.address).list_artifacts, folder or None)
        listing = {each.path: bool(each.is_dir) for each in found}
        if place.ended is not None:
            self._listings[run_id, folder] = listing
        return listing

    def _fetch(self, run_id: str, place: Place, paths: Iterable[str]) -> None:
        """Fetch files, each whole or not at all; those of a run that has ended only where they are not here yet."""
        repository, folder = self._client.repository(place.address), self._folder(run_id, place)

        def fetch(path: str) -> None:
            local = folder / path
            if not within(folder, local):
                raise StoreError(f"run {run_id}: the server names a file {path}, outside of the run; it is not fetched")
            local.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=local.parent) as beside:
                whole = Path(beside) / local.name
                repository._download_file(path, str(whole))  # `download_artifacts` asks twice
                whole.replace(local)

        wanted = [path for path in paths if place.ended is None or not (folder / path).is_file()]
        self._client.call(_side_by_side, fetch, wanted)

    @staticmethod
    def _keep(folder: Path, target: Path) -> None:
        """Keep what was put beside a run on a server, but for weights: it is read again once the run has ended."""
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix != NOT_KEPT:
                copy = target / path.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)


def _side_by_side(work: Callable[[T], object], each: Sequence[T]) -> None:
    """Do some work for each, eight at a time; the first error is raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, each))


def _parent(path: Path, folder: Path) -> str | None:
    """Return the folder of a file below `folder`, None for `folder` itself, as MLflow wants to be told."""
    parent = path.parent.relative_to(folder).as_posix()
    return None if parent == "." else parent


SHOWN: Final = ("confusion", "errors", "evidence", "hog", "filters")
"""Pictures without their `.png`, in the order in which MLflow's charts show them; curves it draws itself."""
FOLDER: Final = "images"
SECTION: Final = "pictures"
"""Where MLflow's charts put them, together."""
THUMBNAIL: Final = 256
LOGGED: Final = "mlflow.loggedImages"


def write_images(run_id: str, folder: Path, target: Path, link: bool) -> bool:
    """Write a cell's pictures into `target`/images as MLflow's charts want them, whether there are any.

    The names are those of `MlflowClient.log_image` at step 0, a slash in the key as `~`: the picture, and a small one
    that the charts show. Writing them twice gives the same files.

    Args:
        run_id: The run that they are of.
        folder: Where the pictures are, as PNG files.
        target: Where the run's files are, or are put together.
        link: Whether the pictures are in `target` already: a hard link to each is another name and takes no room.
            Else they are written as WebP, a fifth as large.
    """
    found = [folder / f"{name}.png" for name in SHOWN if (folder / f"{name}.png").is_file()]
    for path in found:
        key = f"{SECTION}~{path.stem}"
        number = uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id}/{key}")
        image = target / FOLDER / f"{key}+step+0+timestamp+0+{number}"
        image.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path, formats=("PNG",)) as picture:
            small = picture.convert("RGB")
        if link:
            _link_or_copy(target / path.name, image.with_name(f"{image.name}.png"))
        else:
            small.save(image.with_name(f"{image.name}.webp"))
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        small.save(image.with_name(f"{image.name}+compressed.webp"))
    return bool(found)


def _link_or_copy(path: Path, copy: Path) -> None:
    if copy.exists():
        return
    try:
        os.link(path, copy)
    except OSError:  # a file system without hard links keeps two copies
        shutil.copyfile(path, copy)
