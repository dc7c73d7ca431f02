"""The store as the rest of the harness sees it: runs go in, records come out, MLflow's errors become ours."""

from __future__ import annotations

import functools
import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from filelock import FileLock
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from harness.contracts import Opening, StudyPlan
from harness.errors import InputError, StoreError
from harness.track import embedded, experiments, ledger, pictures, runs
from harness.track import experiments as views
from harness.track.embedded import check_reachable
from harness.track.runs import Record, history_of, record_of, search


class Client:
    """All methods of MlflowClient; what they raise is a StoreError that names the store.

    The address is given explicitly: MLflow's global one would leak into the environment of workers.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        with_errors = functools.partial(_call, uri)
        self._client = with_errors(MlflowClient, tracking_uri=uri, registry_uri=uri)

    def __getattr__(self, name: str) -> Any:
        return functools.partial(_call, self.uri, getattr(self._client, name))


def _call(uri: str, method: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return method(*args, **kwargs)
    except MlflowException as error:
        raise StoreError(f"tracking store {uri}: {error.message}") from error


KEYS_ASKED_ONE_BY_ONE: Final = 5
EndStatus = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True, slots=True)
class Store:
    """An open tracking store. `artifacts` is None on a server. Use `open_store`.

    Every method raises StoreError when the store cannot be reached, read or written.
    """

    home: Path
    uri: str
    artifacts: Path | None
    client: Any = field(repr=False)
    _experiments: dict[str, str] = field(default_factory=dict, repr=False)
    _folders: dict[str, Path] = field(default_factory=dict, repr=False)
    """Local artifact folders by run id, as far as runs were read: asking for each takes longer than to read a file."""

    def start_run(
        self,
        study: str,
        kind: Literal["matrix", "cell", "study", "trial"],
        name: str,
        *,
        tags: Mapping[str, str],
        params: Mapping[str, runs.Scalar] | None = None,
        parent: str | None = None,
    ) -> str:
        """Start a run, RUNNING until `end`, and return its id."""
        own = {"harness.kind": kind, "harness.host": platform.node(), "harness.pid": str(os.getpid())}
        family = {"mlflow.parentRunId": parent} if parent else {}
        own |= runs.origin(tags)
        all_tags = {key: runs.cut(value, runs.LONGEST_TAG) for key, value in {**own, **family, **tags}.items()}
        run_id: str = self.client.create_run(self._experiment(study), tags=all_tags, run_name=name).info.run_id
        runs.log_params(self.client, run_id, params or {})
        runs.log_dataset(self.client, run_id, tags)
        return run_id

    def resume_run(self, run_id: str, parent: str | None = None) -> int:
        """Set an ended run back to RUNNING, by this process, and return the last epoch that it logged (0 if none)."""
        self.client.update_run(run_id, status="RUNNING")
        run = self.client.get_run(run_id)
        tags = {"harness.host": platform.node(), "harness.pid": str(os.getpid())}
        tags |= {"mlflow.parentRunId": parent} if parent else {}
        runs.log_metrics(self.client, run_id, {}, 0, tags)
        if "harness.error" in run.data.tags:
            self.client.delete_tag(run_id, "harness.error")
        steps = history_of(self.client, run_id, run.data.metrics).values()
        return max((points[-1][0] for points in steps if points), default=0)

    def log_epoch(self, run_id: str, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch (from 1) in one call."""
        runs.log_metrics(self.client, run_id, metrics, epoch, {})

    def log_final(self, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str], epoch: int) -> None:
        """Log final metrics, those that epochs have at the last one (0 if there was none), with the note on top."""
        time.sleep(0.002)  # a later millisecond than the last epoch's: the final value is the one that counts
        runs.log_final(self.client, run_id, metrics, epoch, {**tags, "mlflow.note.content": runs.note(metrics)})

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        runs.log_metrics(self.client, run_id, {}, 0, tags)

    def log_text(self, run_id: str, text: str, path: str) -> None:
        """Log text as the artifact `path`."""
        self.client.log_text(run_id, text, path)

    def log_folder(self, run_id: str, folder: Path) -> None:
        """Log all files below a folder as artifacts, under the same relative paths."""
        self.client.log_artifacts(run_id, str(folder))

    def log_pictures(self, run_id: str, folder: Path) -> None:
        """Show the pictures of a folder that was logged as the run's images in MLflow's charts."""
        local = self._folder(run_id) if self.artifacts is not None else None
        pictures.log_pictures(self.client, run_id, folder, local)

    def log_model(self, run_id: str, folder: Path, plugins: Sequence[Path] = ()) -> str:
        """Log the saved classifier in `folder` as the run's MLflow model; return the model's id."""
        from harness.track import models  # noqa: PLC0415  (mlflow.pyfunc: only when a cell ends)

        model_id = models.log_model(self.client, run_id, folder, plugins)
        saved = self.artifact(run_id, folder.name)
        if self.artifacts is not None and saved is not None:
            models.share_files(saved, Path(self.client.get_logged_model(model_id).artifact_location))
        return model_id

    def end(self, run_id: str, status: EndStatus, error: str = "", traceback: str = "") -> None:
        """End a run with its true status; a failed one says why (tag harness.error, artifact traceback.txt)."""
        if error:
            runs.log_metrics(self.client, run_id, {}, 0, {"harness.error": runs.cut(error, 500)})
        if traceback:
            self.client.log_text(run_id, traceback, "traceback.txt")
        self.client.set_terminated(run_id, status)

    def records(self, study: str) -> tuple[Record, ...]:
        """Return all runs of a study, oldest first."""
        experiment = self.client.get_experiment_by_name(study)
        return self._remembered(search(self.client, {experiment.experiment_id: study})) if experiment else ()

    def record(self, run_id: str) -> Record:
        """Return one run."""
        run = self.client.get_run(run_id)
        return record_of(run, self.client.get_experiment(run.info.experiment_id).name)

    def cell_records(self, keys: Iterable[str]) -> Mapping[str, tuple[Record, ...]]:
        """Return each key's runs (kind cell or trial) in all studies, oldest first; keys without runs have none."""
        wanted = tuple(dict.fromkeys(keys))
        ids = {key: name for key, name in experiments.names_by_id(self.client).items() if name != ledger.LEDGER}
        if len(wanted) <= KEYS_ASKED_ONE_BY_ONE:
            return {key: search(self.client, ids, f"tags.`harness.key` = '{key}'") for key in wanted}
        found: dict[str, list[Record]] = {key: [] for key in wanted}
        for record in self._remembered(search(self.client, ids)):
            if record.key in found:
                found[record.key].append(record)
        return {key: tuple(records) for key, records in found.items()}

    def history(self, run_id: str, metrics: Iterable[str] | None = None) -> Mapping[str, tuple[tuple[int, float], ...]]:
        """Return (step, value) of metrics, all by default, in step order; one quick call a metric."""
        names = self.client.get_run(run_id).data.metrics if metrics is None else metrics
        return history_of(self.client, run_id, names)

    def artifact(self, run_id: str, path: str) -> Path | None:
        """Return an artifact (file or folder) as a local path, None if the run has none of that name."""
        if self.artifacts is not None:
            local = self._folder(run_id) / path
            return local if local.exists() else None
        below = self.home / "downloads" / run_id
        below.mkdir(parents=True, exist_ok=True)
        try:
            return Path(self.client.download_artifacts(run_id, path, str(below)))
        except (StoreError, OSError):
            return None

    def plan(self, study: str) -> StudyPlan | None:
        """Return the plan of the study's newest whole run (without --only), else of its newest; None if it has none."""
        matrices = [record for record in self.records(study) if record.kind == "matrix"]
        whole = [record for record in matrices if record.tags.get("harness.partial") == "false"]
        for record in (*reversed(whole), *reversed(matrices)):
            path = self.artifact(record.run_id, "plan.json")
            if path is not None:
                return StudyPlan.model_validate_json(path.read_text())
        return None

    def openings(self, keys: Iterable[str] | None = None) -> list[Opening]:
        """Return the ledger's openings of some cells, or all, in the order in which they were recorded."""
        experiment = self.client.get_experiment_by_name(ledger.LEDGER)
        if experiment is None:
            return []
        ids, wanted = {experiment.experiment_id: ledger.LEDGER}, None if keys is None else set(keys)
        if wanted is not None and len(wanted) == 1:
            found = search(self.client, ids, f"tags.`harness.key` = '{next(iter(wanted))}'")
        else:
            found = search(self.client, ids)
        openings = (ledger.opening_of(record) for record in found)
        return [opening for opening in openings if wanted is None or opening.key in wanted]

    def open_test(self, key: str, model_digest: str, run_id: str, study: str = "") -> None:
        """Record in the ledger that a cell's test set is opened; returns once it is stored.

        Raises:
            SealError: the cell's test set was opened before with another model digest.
        """
        with FileLock(self.home / "ledger.lock"):
            if ledger.is_opened(tuple(self.openings([key])), key, model_digest):
                return
            opening = ledger.new_opening(key, model_digest, run_id)
            ledger.append(self.client, self._experiment(ledger.LEDGER), opening, study)

    def _remembered(self, records: tuple[Record, ...]) -> tuple[Record, ...]:
        self._folders.update({record.run_id: Path(record.artifacts) for record in records})
        return records

    def _folder(self, run_id: str) -> Path:
        if run_id not in self._folders:
            self._folders[run_id] = Path(self.client.get_run(run_id).info.artifact_uri)
        return self._folders[run_id]

    def study_links(self, base: str) -> Mapping[str, str]:
        """Return each study's address in MLflow's UI at `base`: all its cells, the best on validation first."""
        return {name: views.link(base, self._experiment(name)) for name in experiments.study_names(self.client)}

    def _experiment(self, study: str) -> str:
        if study not in self._experiments:
            self._experiments[study] = experiments.find_or_create(self.client, study, self.artifacts)
        return self._experiments[study]


def existing_store(home: Path) -> Store | None:
    """Return the store of a home, or None if nothing was ever run there; none is made.

    Raises:
        StoreError: the store is there and cannot be reached or read.
    """
    if os.environ.get("MLFLOW_TRACKING_URI") or (home / embedded.DATABASE).exists():
        return open_store(home)
    return None


def store_to_read(home: Path) -> Store:
    """Return the store of a home.

    Raises:
        InputError: nothing was ever run there.
        StoreError: the store is there and cannot be reached or read.
    """
    store = existing_store(home)
    if store is None:
        raise InputError(f"nothing was run in {home} yet")
    return store


def open_store(home: Path) -> Store:
    """Open the store: the server that MLFLOW_TRACKING_URI names, else SQLite below `home`, created if there is none.

    Raises:
        StoreError: the server does not answer, or the database is of another MLflow version.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    uri, artifacts = os.environ.get("MLFLOW_TRACKING_URI", ""), None
    if uri.startswith(("http://", "https://")):
        check_reachable(uri)
    elif not uri:
        uri, artifacts = embedded.prepare(home)
    client = Client(uri)
    client.search_experiments(max_results=1)
    return Store(home, uri, artifacts, client)
