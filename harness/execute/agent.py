"""The part of `--executor ray` that runs on a node: an actor that starts a worker there and passes on what is said.

It knows nothing of the store, nor of MLflow.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import ray
from filelock import FileLock

from harness import __version__
from harness.contracts import Result
from harness.contracts.running import CHECKPOINT, FITTED, Job
from harness.errors import HarnessError
from harness.execute.executor import LEAVE_SECONDS, Answer, JobEnded, Message
from harness.execute.pipe import PipeLink
from harness.files import generations, is_whole
from harness.interrupts import LOOK_SECONDS

HEAR_SECONDS: Final = 10.0
"""How long an agent waits for its worker to say something before it answers that nothing was said."""

Files = Mapping[str, bytes]
"""Bytes by path below a folder."""


def packed(folder: Path, *patterns: str) -> Files:
    """Return the files below a folder whose paths match one of the patterns."""
    paths = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}


def unpack(files: Files, folder: Path) -> None:
    """Write files below a folder, each whole or not at all.

    Raises:
        ValueError: a path leads out of the folder.
    """
    for name, content in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{name} leads out of {folder}")
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
        beside.write_bytes(content)
        beside.replace(path)


@dataclass(frozen=True, slots=True)
class Told:
    """From an agent: what its worker said, if anything, and files of the job's folder that have changed meanwhile."""

    message: Message | None = None
    files: Files = field(default_factory=dict)
    fault: HarnessError | None = None
    """Why the worker has ended, if it has."""
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class Luggage:
    """What a job takes along: files of its folder, of the fitted model that it takes over, of plugins."""

    folder: Files
    fitted: Files
    plugins: tuple[Files, ...]


class Agent:
    """An actor on a node: starts a worker there and passes on what is said. Its calls run in several threads."""

    def __init__(self, threads: int, run_cell: str, version: str) -> None:
        if version != __version__:
            raise RuntimeError(f"harness {version} gave a job to a node with harness {__version__}; install the same")
        self._scratch = Path(tempfile.mkdtemp(prefix="harness-ray-"))
        self._link = PipeLink.open(threads, run_cell)
        self._home = self._folder = self._scratch / "none"
        self._known: dict[str, int] = {}

    def sees(self, mark: Path) -> bool:
        """Whether a file of the driver's is at the same path here."""
        return mark.is_file()

    def give(self, job: Job, luggage: Luggage, data: Sequence[Any]) -> None:
        """Unpack what a job needs and hand it to the worker.

        Args:
            job: With paths as the driver knows them.
            luggage: What is to be unpacked here.
            data: A reference to the files of its data set; none where the home's cache is seen here.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        self._home, self._folder = job.folder, self._scratch / job.key
        self._known.clear()
        unpack(luggage.folder, self._folder)
        self._changed()  # what has come need not go back
        plugins = []
        for number, files in enumerate(luggage.plugins):
            plugins.append(self._scratch / f"plugins-{number}" / job.plugins[number].name)
            unpack(files, plugins[-1])
        fitted = self._scratch / "taken over" / "model" if job.fitted else None
        if fitted is not None:
            unpack(luggage.fitted, fitted.parent)
        cache = _node_cache(ray.get(data[0])) if data else job.cache
        self._tell(replace(job, folder=self._folder, cache=cache, plugins=tuple(plugins), fitted=fitted))

    def answer(self, answer: Answer) -> None:
        """Pass on the driver's answer."""
        self._tell(answer)

    def _tell(self, message: Job | Answer) -> None:
        try:
            self._link.send(message)
        except OSError:
            return  # that it is gone is heard

    def hear(self, _given: None = None) -> Told:
        """Wait for the worker to say something, for a while; new checkpoints go along, in the end all that it left."""
        try:
            if not self._link.connection.poll(HEAR_SECONDS):
                return Told(files=self._changed())
            message = self._link.receive()
        except (EOFError, OSError):
            return Told(files=self._changed(), fault=self._link.cause_of_death(), last_words=self._link.last_words())
        if not isinstance(message, JobEnded) or not isinstance(message.result, Result):
            return Told(message, self._changed())
        found = message.result.artifacts
        at_home = replace(message.result, artifacts=self._home / found.relative_to(self._folder))
        files = packed(found, "**/*")
        below = found.relative_to(self._folder).as_posix()
        return Told(replace(message, result=at_home), {f"{below}/{name}": each for name, each in files.items()})

    def leave(self) -> Files:
        """Have the worker save a checkpoint and end; return it, though it may have been passed on already."""
        self._link.ask_to_leave()
        until = time.monotonic() + LEAVE_SECONDS
        while not self._link.is_gone and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        self._known.clear()
        return self._changed()

    def last_words(self) -> str:
        """Have the worker print where it is; return the end of all that it printed."""
        self._link.tell_where_it_is()
        return self._link.last_words()

    def stop(self) -> None:
        """End the worker and remove what lies here."""
        self._link.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _changed(self) -> Files:
        """Return the checkpoints and the fitted model that have been written since they were last returned."""
        found: dict[str, bytes] = {}
        fitted = (self._folder / FITTED).glob("*") if is_whole(self._folder / FITTED) else ()
        for path in (*generations(self._folder / CHECKPOINT), *fitted):
            name = path.relative_to(self._folder).as_posix()
            try:
                written = path.stat().st_mtime_ns
                if self._known.get(name) != written:
                    found[name], self._known[name] = path.read_bytes(), written
            except FileNotFoundError:
                continue
        return found


def _node_cache(data: Files) -> Path:
    """Return this node's own cache of data sets, with these files in it."""
    cache = Path(tempfile.gettempdir()) / f"harness-cache-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    with FileLock(cache / "unpacked.lock"):
        unpack({name: content for name, content in data.items() if not (cache / name).exists()}, cache)
    return cache
