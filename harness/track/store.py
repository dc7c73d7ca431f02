"""The store as the rest of the harness sees it: runs go in, records come out, MLflow's errors become ours."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from harness.contracts import UNKNOWN_SET, Opening, SealedSet, StudyPlan
from harness.contracts.study import PLAN_FILE
from harness.errors import InputError, without_secrets
from harness.track import embedded, experiments, ledger, runs
from harness.track.artifacts import LOGGED, RunFiles, write_images
from harness.track.client import RUNS_A_REQUEST, Client, check_reachable, hasty, is_server
from harness.track.journal import Entry, Journal, Kind
from harness.track.runs import FITTED, Record, history_of, record_of, search
from harness.track.spool import Spool, in_turn, spooled

KEYS_ASKED_ONE_BY_ONE: Final = 5
DATABASES: Final = ("postgresql", "mysql", "mssql", "sqlite")
EndStatus = Literal["FINISHED", "FAILED", "KILLED"]


def open_store(home: Path) -> Store:
    """Open the store: the server that MLFLOW_TRACKING_URI names, else SQLite below `home`, created if there is none.

    Raises:
        InputError: MLFLOW_TRACKING_URI is no address of a store.
        StoreError: the server does not answer or lets us not in, or the database is of another MLflow version.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    uri, artifacts = os.environ.get("MLFLOW_TRACKING_URI", ""), None
    if is_server(uri):
        check_reachable(uri)
    elif not uri:
        uri, artifacts = embedded.prepare(home)
    elif re.split(r"[:+]", uri)[0] not in DATABASES:
        raise InputError(
            f"MLFLOW_TRACKING_URI={without_secrets(uri)}: results are kept on a tracking server (http:// or https://) "
            f"or in a database ({', '.join(DATABASES)}, such as postgresql+psycopg://HOST/NAME); correct the address, "
            "or unset it to use the embedded store"
        )
    store = store_at(home, uri, artifacts)
    with nullcontext() if artifacts or is_server(uri) else hasty():
        store.client.search_experiments(max_results=1)
    return store


def home_of(home: str | Path | None) -> Path:
    """Return a home; where none is named, the one that `$HARNESS_HOME` names, else `.harness`."""
    return Path(home if home is not None else os.environ.get("HARNESS_HOME") or ".harness")


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


def store_at(home: Path, uri: str, artifacts: Path | None, trusting: bool = True) -> Store:
    """Return a store that is known to be there.

    Args:
        home: Where locks and copies of a server's files are.
        uri: A server's address, or a database's.
        artifacts: The folder of an embedded store's files, None where a server keeps them.
        trusting: Whether copies of a server's files that were fetched before are good enough.
    """
    client = Client(uri)
    files = RunFiles(client, home if artifacts is None else None, artifacts, trusting)
    return Store(home, client.uri, artifacts, client, files, Journal(client, home))


@dataclass(frozen=True, slots=True)
class Store:
    """An open tracking store. `artifacts` is None on a server. Use `open_store`.

    Every method raises StoreError when the store cannot be reached, read or written.
    """

    home: Path
    uri: str = field(repr=False)
    artifacts: Path | None
    client: Client = field(repr=False)
    files: RunFiles = field(repr=False)
    journal: Journal = field(repr=False)
    _experiments: dict[str, str] = field(default_factory=dict, repr=False)
    """Ids by name, of those that were written to."""
    _asked_together: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """Which runs' curves are asked for with a run's, on a server: those of runs that have ended stay as they are."""
    _curves: dict[tuple[str, str], tuple[tuple[int, float], ...]] = field(default_factory=dict, repr=False)
    _spools: list[Spool] = field(default_factory=list, repr=False)

    @property
    def spool(self) -> Spool | None:
        """Where writes go while cells run; None at other times, when they are done at once."""
        return self._spools[-1] if self._spools else None

    @contextmanager
    def spooling(self) -> Iterator[Spool]:
        """Have writes to runs go through a spool, so that the store may be away for a while.

        Raises:
            StoreError: patience is over, or the store cannot be used as things are; what was written is kept.
        """
        spool = Spool(self)
        self._spools.append(spool)
        try:
            yield spool
        finally:
            try:
                spool.close()
            finally:
                self._spools.remove(spool)

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
        own = {"harness.kind": kind, **_process(), **runs.origin(tags), **_variant(name, tags)}
        all_tags = runs.stored_tags({**own, **_below(parent), **tags})
        info = self.client.create_run(self._experiment(study), tags=all_tags, run_name=name).info
        self.files.begin(info.run_id, info.artifact_uri)
        self.describe(info.run_id, params or {}, tags)
        if kind == "study":
            experiments.show_trials(self.client, info.experiment_id, params or {})
        return str(info.run_id)

    def resume_run(self, run_id: str, parent: str | None = None) -> int:
        """Set an ended run back to RUNNING, by this process, and return the last epoch that it logged (0 if none)."""
        self.client.update_run(run_id, status="RUNNING")
        run = self.client.get_run(run_id)
        self.files.begin(run_id, run.info.artifact_uri)
        self._forget_curves(run_id)
        runs.log_tags(self.client, run_id, {**_process(), **_below(parent)})
        if "harness.error" in run.data.tags:
            self.client.delete_tag(run_id, "harness.error")
        curves = self.history(run_id, run.data.metrics).values()
        return max((points[-1][0] for points in curves if points), default=0)

    @spooled
    def describe(self, run_id: str, params: Mapping[str, runs.Scalar], tags: Mapping[str, str]) -> None:
        """Log the parameters of a run, and the data set that its tags name."""
        runs.log_params(self.client, run_id, params)
        runs.log_dataset(self.client, run_id, tags)

    @spooled
    def log_epoch(self, run_id: str, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch (from 1) in one call."""
        runs.log_epoch(self.client, run_id, metrics, epoch)

    @spooled
    def log_final(self, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str], epoch: int) -> None:
        """Log final metrics, those that epochs have at the last one (0 if there was none), with the note on top."""
        time.sleep(0.002)  # a later millisecond than the last epoch's: the final value is the one that counts
        runs.log_final(self.client, run_id, metrics, epoch, tags)

    @spooled
    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        runs.log_tags(self.client, run_id, tags)

    @spooled
    def log_text(self, run_id: str, text: str, path: str) -> None:
        """Log text as the artifact `path`."""
        self.files.put_text(run_id, text, path)

    @spooled
    def log_folder(self, run_id: str, folder: Path) -> None:
        """Log all files below a folder as artifacts, under the same relative paths."""
        self.files.put(run_id, folder)

    @spooled
    def log_pictures(self, run_id: str, folder: Path) -> None:
        """Show the pictures of a folder that was logged as the run's images in MLflow's charts."""
        local = self.files.get(run_id, "") if self.artifacts is not None else None
        with TemporaryDirectory() as beside:
            any_written = write_images(run_id, folder, local or Path(beside), link=local is not None)
            if any_written and local is None:
                self.files.put(run_id, Path(beside))
        if any_written:
            self.client.set_tag(run_id, LOGGED, "True")

    @spooled
    def log_model(self, run_id: str, folder: Path, plugins: Sequence[Path] = ()) -> None:
        """Log the saved classifier in `folder` as the run's MLflow model."""
        from harness.track import models  # noqa: PLC0415  (mlflow.pyfunc: only when a cell ends)

        saved = self.files.get(run_id, folder.name) if self.artifacts is not None else None
        models.log_model(self.client, self.files, run_id, folder, plugins=plugins, saved=saved)

    @spooled
    def end(self, run_id: str, status: EndStatus, error: str = "", traceback: str = "") -> None:
        """End a run with its true status; a failed one says why (tag harness.error, artifact traceback.txt)."""
        if error:
            self.tag(run_id, {"harness.error": runs.cut(error, runs.LONGEST_ERROR)})
        if traceback:
            self.log_text(run_id, traceback, "traceback.txt")
        ended = runs.now_ms()
        self.client.set_terminated(run_id, status, ended)
        self.files.end(run_id, ended)

    def studies(self) -> Mapping[str, str]:
        """Return the names of all studies by MLflow's ids of them, without the ledger."""
        return {number: name for number, name in experiments.names_by_id(self.client).items() if _is_study(name)}

    def records(self, study: str) -> tuple[Record, ...]:
        """Return all runs of a study, oldest first."""
        number = self._found_experiment(study)
        return () if number is None else self._known(search(self.client, {number: study}))

    def record(self, run_id: str) -> Record:
        """Return one run."""
        run = self.client.get_run(run_id)
        return record_of(run, self.client.get_experiment(run.info.experiment_id).name)

    def cell_records(self, keys: Iterable[str]) -> Mapping[str, tuple[Record, ...]]:
        """Return each key's runs (kind cell or trial) in all studies, oldest first; keys without runs have none."""
        wanted = dict.fromkeys(keys)
        studies = self.studies()
        if len(wanted) <= KEYS_ASKED_ONE_BY_ONE:
            runs = [search(self.client, studies, f"tags.`harness.key` = '{key}'") for key in wanted]
        else:
            runs = [search(self.client, studies)]
        known = self._known([record for records in runs for record in records if record.key in wanted])
        found: dict[str, list[Record]] = {key: [] for key in wanted}
        for record in known:
            found[record.key].append(record)
        return {key: tuple(records) for key, records in found.items()}

    def deleted_keys(self, keys: Iterable[str]) -> frozenset[str]:
        """Return the keys of cells of which runs were deleted in MLflow, by hand or with their study."""
        studies = experiments.names_by_id(self.client, deleted=True)
        gone = search(self.client, studies, "tags.`harness.kind` = 'cell'", deleted=True)
        return frozenset(keys) & {record.key for record in gone}

    def fit_records(self, fit: str, keys: Iterable[str]) -> tuple[Record, ...]:
        """Return the runs with this identity of their fit, and those of some keys, oldest first, in all studies."""
        tagged = search(self.client, self.studies(), f"tags.`{runs.stored_name('harness.fit')}` = '{fit}'")
        named = (record for records in self.cell_records(keys).values() for record in records)
        found = {record.run_id: record for record in (*self._known(tagged), *named)}
        return tuple(sorted(found.values(), key=lambda record: record.start))

    def history(self, run_id: str, metrics: Iterable[str] | None = None) -> Mapping[str, tuple[tuple[int, float], ...]]:
        """Return (step, value) of metrics, all by default, in step order."""
        names = self.client.get_run(run_id).data.metrics if metrics is None else metrics
        return {name: self._curve(run_id, name) for name in names}

    def artifact(self, run_id: str, path: str) -> Path | None:
        """Return an artifact (file or folder) as a local path, None if the run has none of that name."""
        return self.files.get(run_id, path)

    def anew(self) -> Store:
        """Return the same store, of which nothing counts as read: an audit looks at what is there now."""
        return store_at(self.home, self.uri, self.artifacts, trusting=False)

    def plan(self, study: str) -> StudyPlan | None:
        """Return the plan of the study's newest whole run (without --only), else of its newest; None if it has none."""
        return next((plan for plan, _ in self.plans(study)), None)

    def plans(self, study: str) -> Iterator[tuple[StudyPlan, str]]:
        """Yield all plans of a study with the ids of their runs: those of whole runs first, the newest first."""
        matrices = [record for record in reversed(self.records(study)) if record.kind == "matrix"]
        for record in sorted(matrices, key=lambda record: record.tags.get("harness.partial") != "false"):
            path = self.artifact(record.run_id, PLAN_FILE)
            if path is not None:
                yield StudyPlan.model_validate_json(path.read_text()), record.run_id

    @spooled
    def note(self, /, kind: Kind, study: str, run_id: str, **said: object) -> None:
        """Write an entry of the journal: what happened, in which study, to which run; returns once it is stored."""
        self.journal.append(self._experiment(ledger.LEDGER), kind, study, run_id, said)

    def entries(self) -> tuple[Entry, ...]:
        """Return all entries of the journal, by number; none in a store of an earlier version."""
        number = self._experiments.get(ledger.LEDGER) or self._found_experiment(ledger.LEDGER)
        return () if number is None else self.journal.entries(number)

    def openings(self, keys: Iterable[str] | None = None) -> list[Opening]:
        """Return the ledger's openings of some cells, or all, in the order in which they were recorded."""
        number = self._experiments.get(ledger.LEDGER) or self._found_experiment(ledger.LEDGER)
        if number is None:
            return []
        ids, wanted = {number: ledger.LEDGER}, None if keys is None else set(keys)
        if wanted is not None and len(wanted) == 1:
            found = search(self.client, ids, f"tags.`harness.key` = '{next(iter(wanted))}'")
        else:
            found = search(self.client, ids, "tags.`harness.kind` = 'opening'")
        openings = (ledger.opening_of(record) for record in found)
        return [opening for opening in openings if wanted is None or opening.key in wanted]

    @in_turn
    def open_test(
        self,
        key: str,
        model_digest: str,
        run_id: str,
        study: str = "",
        *,
        test_set: SealedSet = UNKNOWN_SET,
        source_digest: str = "",
        threads: int = 0,
    ) -> None:
        """Record in the ledger that a cell's test set is opened; returns once it is stored.

        Raises:
            SealError: the cell opened this test set before, with another model or by another source.
        """
        with self.journal.lock:
            opening = ledger.new_opening(
                key, model_digest, run_id, study, test_set=test_set, source_digest=source_digest, threads=threads
            )
            if not ledger.is_opened(self.openings([key]), opening):
                self.note("opening", study, run_id, line=asdict(opening), key=key)
                ledger.append(self.client, self._experiment(ledger.LEDGER), opening, study)
            else:
                ledger.end_lines(self.client, self._experiment(ledger.LEDGER), key)

    def study_links(self, base: str) -> Mapping[str, str]:
        """Return each study's address in MLflow's UI at `base`: all its cells, the best on validation first."""
        names = sorted(self.studies().values())
        return {name: experiments.study_link(base, self._experiment(name)) for name in names}

    def _found_experiment(self, name: str) -> str | None:
        found = self.client.get_experiment_by_name(name)
        return None if found is None else str(found.experiment_id)

    def _experiment(self, study: str) -> str:
        if study not in self._experiments:
            self._experiments[study] = experiments.find_or_create(self.client, study, self.artifacts)
        return self._experiments[study]

    def _known(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Remember where the files of some runs are, and which curves can be asked for together."""
        self.files.know(records)
        if is_server(self.uri):
            ended = [record.run_id for record in records if record.end is not None and record.kind in FITTED]
            for start in range(0, len(ended), RUNS_A_REQUEST):
                group = tuple(ended[start : start + RUNS_A_REQUEST])
                self._asked_together.update(dict.fromkeys(group, group))
        return tuple(records)

    def _forget_curves(self, run_id: str) -> None:
        self._asked_together.pop(run_id, None)
        for key in [key for key in self._curves if key[0] == run_id]:
            del self._curves[key]

    def _curve(self, run_id: str, metric: str) -> tuple[tuple[int, float], ...]:
        group = self._asked_together.get(run_id, ())
        if not group:
            return history_of(self.client.points([run_id], metric)[run_id])
        if (run_id, metric) not in self._curves:
            found = self.client.points(group, metric)
            self._curves.update({(each, metric): history_of(found.get(each, ())) for each in group})
        return self._curves[run_id, metric]


def _is_study(name: str) -> bool:
    return name not in {ledger.LEDGER, "Default"}  # MLflow makes the latter in every store


def _process() -> dict[str, str]:
    """Return the tags by which another process finds out whether the one that runs a cell is alive."""
    return {"harness.host": platform.node(), "harness.pid": str(os.getpid())}


def _below(parent: str | None) -> dict[str, str]:
    return {"mlflow.parentRunId": parent} if parent else {}


def _variant(name: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tag that the cells of all seeds share, by which MLflow's views take means."""
    seed = tags.get("harness.seed")
    return {} if seed is None else {"harness.variant": name.removesuffix(f" s{seed}")}
