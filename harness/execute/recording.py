"""A cell's run in the store while it runs: begun or gone on with, each epoch, the opening, its end.

With a finished cell's artifacts goes a manifest of all that was logged, and the manifest's digest into the journal, so
that `harness audit` notices whatever is changed later.
"""

from __future__ import annotations

import json
import logging
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from harness.contracts import Frozen, Outcome, PlannedCell, Result, SealedSet, Watcher
from harness.contracts.metrics import EPOCH_SECONDS
from harness.contracts.running import CHECKPOINT, FITTED
from harness.errors import StoreRefusedError
from harness.execute.executor import Failure, Places
from harness.execute.locks import folder_of, is_alive
from harness.files import generations, remove
from harness.interrupts import Interrupts
from harness.matrix import flatten, is_same_source
from harness.measure.environment import Environment, Whereabouts, hardware
from harness.seeds import file_digest, text_digest
from harness.track import EndStatus, Record, Store
from harness.track.runs import LONGEST_ERROR, LONGEST_TAG, THREADS, cut, is_of_other_test_set, stored_params
from harness.track.spool import Spool

FIT_RUN: Final = "harness.fit_run"
"""Tag of a run that was not fitted itself: the run whose fitted model it took."""
WEIGHTS: Final = "model.safetensors"
FIT: Final = "fit.json"
METRICS: Final = "metrics.json"
"""The final metrics with all their digits, by MLflow name."""
DIGESTS: Final = "digests.json"
"""A `Manifest`; its own digest is the tag `TAG` of the run, and in the journal."""
ENVIRONMENT: Final = "environment.txt"
TAG: Final = "harness.artifacts_digest"
WARNINGS: Final = "harness.warnings"
"""Tag of a run in which something was not as it should be, such as a damaged file: a line each."""
_LOG: Final = logging.getLogger(__name__)
HOST: Final = "harness.ran_on"
"""Tag of a run: the machine where its cell ran; `harness.host` is the driver's."""
PASSING: Final = frozenset({"harness.pid", "harness.error", TAG})
"""Tags that are of a moment of the run, or of the manifest itself."""


class Manifest(Frozen):
    """All that a finished cell logged. The final metrics are among the files, with all their digits (`METRICS`)."""

    files: Mapping[str, str]
    """Digest of every other artifact by its path."""
    params: Mapping[str, str] | None = None
    """None of a run by an earlier version, which wrote down digests of files alone."""
    tags: Mapping[str, str] = {}
    """By their plain names (see `harness.track.runs`)."""


def read_manifest(text: str) -> Manifest:
    """Return a manifest, that of an earlier version too.

    Raises:
        ValueError: it is none.
    """
    found = json.loads(text)
    is_earlier = isinstance(found, dict) and "files" not in found
    return Manifest.model_validate({"files": found} if is_earlier else found)


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all cells of one `run` share: the store, who watches, the places, the matrix run, the machine."""

    store: Store
    watcher: Watcher
    interrupts: Interrupts
    places: Places
    study: str
    parent: str
    tags: Mapping[str, str]
    """Tags of the machine and the code."""
    environment: Environment
    """The driver's."""
    plugins: tuple[Path, ...]
    with_models: bool
    kind: Literal["cell", "trial"] = "cell"
    """What the runs are to the store."""

    @property
    def spool(self) -> Spool:
        """Where what is written waits while the store is away."""
        assert self.store.spool is not None
        return self.store.spool


def threads_for(store: Store, planned: PlannedCell, usual: int) -> int:
    """Return how many CPU threads a cell gets: as many as before where its model is to have the same bits as before.

    That is so where its former run is gone on with, and where its test set was opened on this machine, for then no
    other model may finish, though the run may have been deleted.
    """
    last = _unfinished(planned, store.cell_records([planned.key])[planned.key], store.home)
    if last is not None:
        return int(last.tags.get(THREADS, usual))
    here = (opening.threads for opening in store.openings([planned.key]) if opening.host == platform.node())
    return next(filter(None, here), usual)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The fitted model of a finished run: the run, and the folder of its files."""

    run: Record
    folder: Path

    @property
    def tags(self) -> dict[str, str]:
        """Tags of a run that takes it: whose it is, and what it was fitted on, which its seconds are of."""
        kept = ("harness.device", "harness.hardware", "harness.micro_batch", THREADS)
        return {FIT_RUN: self.run.run_id, **{tag: self.run.tags[tag] for tag in kept if tag in self.run.tags}}


def find_fitted(store: Store, planned: PlannedCell) -> Fitted | None:
    """Return the model of the newest finished run that fitted, by the same source, what the cell fits.

    None where there is no such run, or its model is not there, or not the one that was evaluated: then it is fitted.
    """
    for run in reversed(store.fit_records(planned.fit, (planned.key, planned.fit)) if planned.fit else ()):
        tags = run.tags
        is_alike = (
            run.kind == "cell"
            and run.status == "FINISHED"
            and tags.get("harness.smoke") != "true"
            and tags.get("harness.data_fingerprint") == planned.data_fingerprint
            and is_same_source(tags.get("harness.source_digest"), planned.source_digest)
        )
        folder = store.artifact(run.run_id, "model") if is_alike else None
        weights = folder and folder / WEIGHTS
        is_whole = weights and weights.is_file() and file_digest(weights) == tags.get("harness.model_digest")
        if folder is not None and is_whole and (folder / FIT).is_file():
            return Fitted(run, folder)
    return None


def begin(context: RunContext, planned: PlannedCell, threads: int, how: Mapping[str, str], words: str = "") -> CellRun:
    """Start the cell's run, or go on with the former one where the cell left something to go on from.

    Args:
        context: What it shares with the others.
        planned: The cell.
        threads: How many CPU threads it has.
        how: Further tags of this attempt.
        words: How it is tried, as words that follow the device's name.
    """
    store = context.store
    here = {**context.tags, THREADS: str(threads), **how}
    former = store.cell_records([planned.key])[planned.key]
    with context.interrupts.shield():
        mine = [run for run in former if not is_of_other_test_set(run, planned)]
        process = {"harness.kind": context.kind, "harness.host": platform.node()}
        last = _unfinished(planned, mine, store.home)
        if last is not None:
            store.note("resumed", context.study, last.run_id, key=planned.key)
            logged = store.resume_run(last.run_id, context.parent)
            store.tag(last.run_id, here)
            warnings = tuple(last.tags.get(WARNINGS, "").splitlines())
            run = CellRun(
                context,
                planned,
                last.run_id,
                threads,
                logged,
                last.params,
                {**last.tags, **process, **here},
                warnings,
                how.get(FIT_RUN, ""),
                words,
            )
        else:
            if not _has_left_a_model(planned, former, store.home):
                shutil.rmtree(folder_of(store.home, planned.key), ignore_errors=True)
            tags = {**_tags_of(planned), **here, "harness.attempt": str(len(mine) + 1)}
            params = stored_params(flatten(planned.cell))
            run_id = store.start_run(
                context.study, context.kind, planned.name, tags=tags, params=params, parent=context.parent
            )
            run = CellRun(
                context,
                planned,
                run_id,
                threads,
                0,
                params,
                {**process, **tags},
                fit_run=how.get(FIT_RUN, ""),
                words=words,
            )
    return run


def _unfinished(planned: PlannedCell, former: Sequence[Record], home: Path) -> Record | None:
    """Return the former run to go on with: it ended early, and the same source left a checkpoint or a fitted model.

    One that is still RUNNING was being taken up when the store went away: the cell's lock is ours.
    """
    last = former[-1] if former else None
    if last is None or last.status == "FINISHED" or (last.status == "RUNNING" and is_alive(last)):
        return None
    folder = folder_of(home, planned.key)
    has_left = any(path.exists() for path in (*generations(folder / CHECKPOINT), folder / FITTED))
    return last if has_left and last.tags.get("harness.source_digest") == planned.source_digest else None


def _has_left_a_model(planned: PlannedCell, former: Sequence[Record], home: Path) -> bool:
    """Whether the newest run of the cell's key, which was to open another test set, left the model that it fitted."""
    if not former or former[-1].status not in {"FAILED", "KILLED"} or not is_of_other_test_set(former[-1], planned):
        return False
    is_ours = former[-1].tags.get("harness.source_digest") == planned.source_digest
    return is_ours and (folder_of(home, planned.key) / FITTED).exists()


def _tags_of(planned: PlannedCell) -> dict[str, str]:
    cell = planned.cell
    return {
        "harness.key": planned.key,
        "harness.experiment": planned.places[0].experiment,
        "harness.model": cell.model.name,
        "harness.seed": str(cell.seed),
        "harness.dataset": cell.dataset.name,
        "harness.data_fingerprint": planned.data_fingerprint,
        "harness.source_digest": planned.source_digest,
        "harness.fit": planned.fit,
        "harness.test_files": planned.test_files,
        "harness.test": "never" if cell.test == "never" else "sealed",
        **planned.tags,
    }


def device_tags(devices: Sequence[str]) -> dict[str, str]:
    """Return the tags that name devices and, for people, what hardware they are."""
    names = dict.fromkeys(hardware(device) for device in devices)
    return {"harness.device": ", ".join(devices), "harness.hardware": ", ".join(names)}


_Ending = Literal["finished", "failed", "pruned", "interrupted"]


@dataclass(slots=True)
class CellRun:
    """Listener of one cell, in the driver."""

    context: RunContext
    planned: PlannedCell
    run_id: str
    threads: int
    logged: int
    """The last epoch that is in the store."""
    params: Mapping[str, str]
    """As the store has them."""
    tags: Mapping[str, str]
    """With which the run began."""
    warnings: tuple[str, ...] = ()
    """Those of its earlier tries too."""
    fit_run: str = ""
    """The run whose fitted model is taken."""
    words: str = ""
    """How it is tried, for who watches."""
    environment: str = ""
    """What the process runs in that the cell runs in."""
    begun: float = field(default_factory=time.perf_counter)

    def began(self, where: Whereabouts) -> None:
        """Record where the cell runs; of a model that is taken over its run has told what it was fitted on."""
        context = self.context
        told = {HOST: where.host}
        if not self.fit_run:
            told |= {"harness.device": where.device, "harness.hardware": where.hardware}
        with context.interrupts.shield():
            self.environment = where.environment.told_by(context.environment).text
            context.store.tag(self.run_id, told)
            context.store.log_text(self.run_id, self.environment, ENVIRONMENT)
            self.tags = {**self.tags, **told}
        elsewhere = "" if where.host == platform.node() else f" on {where.host}"
        context.watcher.started(self.planned, f"{where.device}{elsewhere}{self.words}")

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch; one that was logged before the cell was interrupted is not logged twice.

        Who watches gets the metrics as a copy, which no fit writes to while it is shown.
        """
        with self.context.interrupts.shield():
            if epoch > self.logged:
                self.context.store.log_epoch(self.run_id, epoch, metrics)
                self.logged = epoch
                self.context.places.hear(self.planned.id, metrics.get(EPOCH_SECONDS, 0.0))
        self.context.watcher.epoch(self.planned, epoch, dict(metrics))

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        """Record the opening.

        Raises:
            SealError: another function opened this test set for the cell before.
        """
        store, planned = self.context.store, self.planned
        with self.context.interrupts.shield():
            store.open_test(
                planned.key,
                model_digest,
                self.run_id,
                self.context.study,
                test_set=test_set,
                source_digest=planned.source_digest,
                threads=self.threads,
            )
            opened = {"harness.test": "opened", "harness.model_digest": model_digest}
            opened["harness.test_files"] = test_set.files
            store.tag(self.run_id, opened)
            self.tags = {**self.tags, **opened}

    def finish(self, result: Result) -> Outcome:
        """Log all that the cell left and end the run as FINISHED."""
        store = self.context.store
        tags = {
            "harness.test": result.test,
            "harness.model_digest": result.model_digest,
            "harness.split_digest": result.split_digest,
            "harness.fit_ended": result.fit_ended,
            "harness.data_fingerprint": result.data_fingerprint or self.planned.data_fingerprint,
            "harness.test_fingerprint": result.test_fingerprint,
            **self.planned.tags,
        }
        tags[TAG] = self._write_manifest(result.artifacts, result.metrics, {**self.tags, **tags})
        with self.context.interrupts.shield():
            store.log_folder(self.run_id, result.artifacts)
            if self.context.with_models:
                store.log_model(self.run_id, result.artifacts / "model", self.context.plugins)
                store.log_pictures(self.run_id, result.artifacts)
            store.log_final(self.run_id, result.metrics, tags, self.logged)
            self._note_ending("FINISHED", manifest=tags[TAG])
            store.end(self.run_id, "FINISHED")
            shutil.rmtree(folder_of(store.home, self.planned.key), ignore_errors=True)
        return self._outcome("finished", metrics=result.metrics)

    def warn(self, warnings: Sequence[str]) -> None:
        """Record what was logged as a warning while the cell ran, and log it here, where it is seen."""
        if not warnings:
            return
        store = self.context.store
        with self.context.interrupts.shield():
            self.warnings = tuple(dict.fromkeys([*self.warnings, *warnings]))
            told = {WARNINGS: "\n".join(self.warnings)}
            store.tag(self.run_id, told)
            self.tags = {**self.tags, **told}
        for text in warnings:
            _LOG.warning("%s: %s", self.planned.name, text)

    def fail(self, failure: Failure) -> Outcome:
        """End the run as FAILED with its traceback. A fit gone wrong is not to be gone on with."""
        if failure.kind == "pruned":
            return self._prune(failure.message)
        store = self.context.store
        with self.context.interrupts.shield():
            self._note_ending("FAILED", error=cut(failure.message, LONGEST_ERROR))
            store.end(self.run_id, "FAILED", failure.message, failure.traceback)
            if failure.kind == "training":
                for path in generations(folder_of(store.home, self.planned.key) / CHECKPOINT):
                    remove(path)
        return replace(self._outcome("failed", failure.message), is_worth_retrying=failure.is_worth_retrying)

    def _prune(self, message: str) -> Outcome:
        """End the run as KILLED, tagged as pruned; nothing goes on from here."""
        store = self.context.store
        with self.context.interrupts.shield():
            store.tag(self.run_id, {"harness.pruned": message})
            self._note_ending("KILLED", pruned=message)
            store.end(self.run_id, "KILLED")
            shutil.rmtree(folder_of(store.home, self.planned.key), ignore_errors=True)
        return self._outcome("pruned", message=message)

    def refused(self, reason: str) -> Outcome:
        """End the run as FAILED because the store does not take what it left; what the cell has saved stays."""
        with self.context.interrupts.shield(), suppress(StoreRefusedError):
            self._note_ending("FAILED", error=cut(reason, LONGEST_ERROR))
            self.context.store.end(self.run_id, "FAILED", reason)
        return self._outcome("failed", reason)

    def kill(self) -> Outcome:
        """End the run as KILLED; what the cell has saved stays for the next time."""
        self.context.store.end(self.run_id, "KILLED", "interrupted")
        return self._outcome("interrupted", message="interrupted")

    def _outcome(self, state: _Ending, message: str = "", metrics: Mapping[str, float] | None = None) -> Outcome:
        seconds = time.perf_counter() - self.begun
        return Outcome(self.planned, state, self.run_id, seconds, message, dict(metrics or {}), self.fit_run)

    def _note_ending(self, status: EndStatus, **said: str) -> None:
        context = self.context
        context.store.note("ending", context.study, self.run_id, key=self.planned.key, status=status, **said)

    def _write_manifest(self, folder: Path, metrics: Mapping[str, float], tags: Mapping[str, str]) -> str:
        """Write metrics.json and digests.json among the artifacts in `folder`; return the latter's digest."""
        (folder / METRICS).write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
        (folder / DIGESTS).unlink(missing_ok=True)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
        digests[ENVIRONMENT] = text_digest(self.environment)
        ours = {name for name in tags if name.startswith("harness.")} - PASSING
        lasting = {name: cut(tags[name], LONGEST_TAG) for name in sorted(ours)}
        found = Manifest(files=digests, params=self.params, tags=lasting)
        (folder / DIGESTS).write_text(found.model_dump_json(indent=1) + "\n")
        return file_digest(folder / DIGESTS)
