"""The executor alone, with real processes and fake cells."""

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from harness.contracts import Cell, Choice, Dataset, Result, SealedSet
from harness.contracts.running import Job
from harness.errors import PrunedError, SealError, StoreError
from harness.execute.executor import Answer, EpochDone, Failure
from harness.execute.executors.local import LocalExecutor
from harness.execute.worker import Channel, ChannelListener, free_gpu
from harness.measure.environment import Whereabouts
from tests.execute.conftest import FAKE


@dataclass
class Ear:
    refused: bool = False
    is_store_gone: bool = False
    epochs: list[int] = field(default_factory=list)
    openings: list[str] = field(default_factory=list)
    places: list[Whereabouts] = field(default_factory=list)

    def began(self, where: Whereabouts) -> None:
        assert not self.epochs and not self.openings
        self.places.append(where)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if self.is_store_gone:
            raise StoreError("gone")
        self.epochs.append(epoch)

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        if self.refused:
            raise SealError("opened before")
        self.openings.append(model_digest)


def job(folder: Path, key: str, **options: object) -> Job:
    cell = Cell(dataset=Dataset(name="digits"), model=Choice(name="fake", **options), recipe=None, seed=0)
    return Job(key, cell, folder / key, folder / "cache", "cpu", threads=1)


def ended(
    executor: LocalExecutor, jobs: Iterable[Job], ear: Callable[[Job], Ear]
) -> Iterator[tuple[Job, Result | Failure]]:
    return (each for each in executor.run(jobs, ear) if each is not None)


def test_workers_tell_epochs_ask_for_the_opening_and_return_results(tmp_path: Path) -> None:
    ears = {key: Ear() for key in ("a", "b", "c")}
    with LocalExecutor(2, 1, FAKE) as executor:
        results = dict(ended(executor, [job(tmp_path, key) for key in ears], lambda each: ears[each.key]))
        assert len(executor._team) == 2
    assert {each.key for each in results} == {"a", "b", "c"}
    assert all(isinstance(result, Result) for result in results.values())
    assert all(ear.epochs == [1, 2] and len(ear.openings) == 1 for ear in ears.values())
    (place,) = ears["a"].places
    assert (place.host, place.device) == (platform.node(), "cpu")
    assert any(line.startswith("torch==") for line in place.environment.packages)


def test_the_next_epoch_is_trained_while_one_is_logged() -> None:
    driver, worker = Pipe()
    listen = ChannelListener(Channel(worker), waits=False)
    listen.epoch(1, {"lr": 0.5})  # nobody has answered
    assert driver.recv() == EpochDone(1, {"lr": 0.5})
    driver.send(Answer())
    listen.epoch(2, {})
    assert driver.recv() == EpochDone(2, {})
    driver.send(Answer(ValueError("said late")))
    with pytest.raises(ValueError, match="said late"):
        listen.opening("digest", SealedSet())
    assert not driver.poll()


def test_a_trial_hears_of_its_pruning_before_it_goes_on() -> None:
    driver, worker = Pipe()
    driver.send(Answer(PrunedError("pruned at epoch 1 of 9")))
    with pytest.raises(PrunedError):
        ChannelListener(Channel(worker), waits=True).epoch(1, {})


def test_a_job_that_fails_leaves_no_answer_behind(tmp_path: Path) -> None:
    with LocalExecutor(1, 1, FAKE) as executor:
        jobs = [job(tmp_path, "a", at_epoch_2="raise"), job(tmp_path, "b")]
        results = {each.key: result for each, result in ended(executor, jobs, lambda _: Ear())}
        assert len(executor._team) == 1
    assert isinstance(results["a"], Failure)
    assert results["a"].message == "RuntimeError: boom"
    assert isinstance(results["b"], Result)


def test_workers_stay_warm_from_one_round_to_the_next(tmp_path: Path) -> None:
    with LocalExecutor(1, 1, FAKE) as executor:
        list(executor.run([job(tmp_path, "a")], lambda _: Ear()))
        first = executor.pids[0]
        list(executor.run([job(tmp_path, "b")], lambda _: Ear()))
        assert executor.pids[0] == first


def test_a_refused_opening_ends_the_job_in_the_worker(tmp_path: Path) -> None:
    with LocalExecutor(1, 1, FAKE) as executor:
        ((_, result),) = ended(executor, [job(tmp_path, "a")], lambda _: Ear(refused=True))
    assert isinstance(result, Failure)
    assert (result.kind, result.message) == ("seal", "opened before")


def test_a_worker_that_dies_fails_its_job_and_is_replaced(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "a", at_epoch_2="die"), job(tmp_path, "b")]
    with LocalExecutor(1, 1, FAKE) as executor:
        results = {each.key: result for each, result in ended(executor, jobs, lambda _: Ear())}
    failure = results["a"]
    assert isinstance(failure, Failure) and failure.is_worth_retrying
    assert failure.message == "the worker process died (signal 9)"
    assert isinstance(results["b"], Result)


def test_a_worker_that_takes_its_time_to_leave_fails_its_job_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.execute.pipe.STOP_SECONDS", 0.2)
    jobs = [job(tmp_path, "a", at_epoch_2="leave slowly"), job(tmp_path, "b")]
    with LocalExecutor(1, 1, FAKE) as executor:
        results = {each.key: result for each, result in ended(executor, jobs, lambda _: Ear())}
    failure = results["a"]
    assert isinstance(failure, Failure) and failure.kind == "died"
    assert "had not ended" in failure.message
    assert isinstance(results["b"], Result)


def is_alive(pid: str) -> bool:
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("trouble", "limit", "reason"),
    [
        ("hang with a child", "cell_timeout", "it took longer than --cell-timeout allows"),
        ("stop", "silent_seconds", "its worker process hung: it gave no sign of life"),
        ("hold the interpreter", "silent_seconds", "its worker process hung: it gave no sign of life"),
    ],
)
def test_a_job_that_hangs_is_ended_with_its_children_and_the_next_one_runs(
    tmp_path: Path, trouble: str, limit: str, reason: str
) -> None:
    jobs, pids = [job(tmp_path, "a", at_epoch_2=trouble), job(tmp_path, "b")], tmp_path / "cache" / "pids"
    results: dict[str, Result | Failure] = {}
    with LocalExecutor(1, 1, FAKE) as executor:
        usual = getattr(executor, limit)
        for each in executor.run(jobs, lambda _: Ear()):
            if pids.exists() and not results:
                setattr(executor, limit, 0.5)  # now that it hangs, however slow this machine is
            if each is not None:
                setattr(executor, limit, usual)
                results[each[0].key] = each[1]
    failure = results["a"]
    assert isinstance(failure, Failure) and failure.is_worth_retrying
    assert failure.kind == "stalled" and failure.message.startswith(reason)
    assert isinstance(results["b"], Result)
    assert not any(map(is_alive, pids.read_text().split()))
    if trouble != "stop":
        assert "fake_cells.py" in failure.traceback


def test_a_worker_that_lives_gives_signs_of_life_whatever_its_job_does(tmp_path: Path) -> None:
    heard = set()
    with LocalExecutor(1, 1, FAKE) as executor:
        for each in executor.run([job(tmp_path, "a", at_epoch_2="hang")], lambda _: Ear()):
            assert each is None
            heard.add(executor._team[0].heard)
            if len(heard) > 4:
                break


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_worker_that_is_told_to_end_leaves_its_job_to_another_try(tmp_path: Path, number: signal.Signals) -> None:
    jobs, pids = [job(tmp_path, "a", at_epoch_2="hang alone"), job(tmp_path, "b")], tmp_path / "cache" / "pids"
    results: dict[str, Result | Failure] = {}
    with LocalExecutor(1, 1, FAKE) as executor:
        for each in executor.run(jobs, lambda _: Ear()):
            if pids.exists() and not results:
                with suppress(ProcessLookupError):
                    os.kill(int(pids.read_text()), number)
            if each is not None:
                results[each[0].key] = each[1]
    failure = results["a"]
    assert isinstance(failure, Failure) and failure.is_worth_retrying
    assert (failure.kind, failure.message) == ("preempted", "its worker process was told to end (SIGTERM or SIGUSR1)")
    assert isinstance(results["b"], Result)


def test_a_worker_whose_gpu_fails_every_call_is_replaced_after_its_job(tmp_path: Path) -> None:
    jobs = [replace(job(tmp_path, "a", at_epoch_2="break the gpu"), device="cuda:0"), job(tmp_path, "b")]
    with LocalExecutor(1, 1, FAKE) as executor:
        running = ended(executor, jobs, lambda _: Ear())
        _, first = next(running)
        assert executor._team == []
        _, second = next(running)
    assert isinstance(first, Failure) and "illegal memory access" in first.message
    assert isinstance(second, Result)


def test_a_job_gives_back_what_it_held_of_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    cuda = SimpleNamespace(
        is_initialized=lambda: True, synchronize=done.append, empty_cache=lambda: done.append("emptied")
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert free_gpu("cuda:1")
    assert done == ["cuda:1", "emptied"]
    assert free_gpu("cpu")
    assert len(done) == 2


def test_leaving_the_executor_stops_workers_in_the_middle_of_a_job(tmp_path: Path) -> None:
    with LocalExecutor(2, 1, FAKE) as executor:
        running = ended(executor, [job(tmp_path, "a", at_epoch_2="hang"), job(tmp_path, "b")], lambda _: Ear())
        next(running)
        processes = [psutil.Process(pid) for pid in executor.pids]
        begun = time.perf_counter()
    assert time.perf_counter() - begun < 5
    assert not any(process.is_running() for process in processes)


def test_a_store_out_of_reach_ends_the_whole_run(tmp_path: Path) -> None:
    with LocalExecutor(1, 1, FAKE) as executor, pytest.raises(StoreError, match="gone"):
        list(executor.run([job(tmp_path, "a")], lambda _: Ear(is_store_gone=True)))


def test_workers_have_their_threads_set_before_they_start_and_leave_ours_alone(tmp_path: Path) -> None:
    before = dict(os.environ)
    with LocalExecutor(1, 3, FAKE) as executor:
        list(executor.run([job(tmp_path, "a")], lambda _: Ear()))
        environment = psutil.Process(executor.pids[0]).environ()
    assert environment["OMP_NUM_THREADS"] == "3"
    assert dict(os.environ) == before


def test_workers_are_gone_soon_after_their_driver_was_killed(tmp_path: Path) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert driver.stdout is not None
    worker = psutil.Process(int(driver.stdout.readline()))
    driver.kill()
    driver.communicate()
    worker.wait(timeout=10)


DRIVER = """
import pathlib, sys
from tests.execute.test_local import FAKE, Ear, LocalExecutor, job

class Tell(Ear):
    def epoch(self, epoch, metrics):
        print(executor.pids[0], flush=True)

executor = LocalExecutor(1, 1, FAKE)
list(executor.run([job(pathlib.Path(sys.argv[1]), "a", at_epoch_2="hang")], lambda _: Tell()))
"""
