"""Executors by name, and what they stand on."""

from __future__ import annotations

import errno
import subprocess
import sys
from typing import cast

import pytest

from harness.contracts import Listener, Result
from harness.contracts.running import Job
from harness.errors import InputError
from harness.execute import EXECUTORS
from harness.execute.executor import Failure, open_executor, run_job


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_opens_without_starting_anything(name: str) -> None:
    if name == "ray":
        pytest.importorskip("ray")
    with open_executor(name, 2, 1, "no_such_module:run") as executor:
        assert list(executor.run([], lambda _: pytest.fail("there is no job"))) == []


def test_an_unknown_executor_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match='did you mean "local"'):
        open_executor("locale", 1, 1)


@pytest.mark.parametrize("name", ["inline", "local"])
def test_an_address_is_for_clusters(name: str) -> None:
    with pytest.raises(InputError, match="runs cells on this machine"):
        open_executor(name, 1, 1, address="head:6379")


def test_an_executor_whose_library_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("harness.execute.executors.ray")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"needs ray, .* pip install 'sealed-harness\[ray\]'"):
        open_executor("ray", 1, 1)


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")])
def test_memory_that_ran_out_is_worth_another_try_however_it_is_told(error: Exception) -> None:
    def run(_job: Job, _listen: Listener) -> Result:
        raise error

    failure = run_job(run, cast("Job", None), cast("Listener", None))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.is_worth_retrying) == ("memory", True)


def test_a_worker_imports_no_mlflow() -> None:
    code = "import sys; import harness.execute.worker; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
