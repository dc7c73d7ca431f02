"""Executors by name, and what they stand on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.errors import InputError
from harness.execute.executor import EXECUTORS, open_executor


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_opens_without_starting_anything(name: str) -> None:
    with open_executor(name, 2, 1, "no_such_module:run") as executor:
        assert list(executor.run([], lambda _: pytest.fail("there is no job"))) == []


def test_an_unknown_executor_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match='did you mean "local"'):
        open_executor("locale", 1, 1)


def test_a_worker_imports_no_mlflow() -> None:
    code = "import sys; import harness.execute.worker; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
