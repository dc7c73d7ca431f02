from pathlib import Path

import pytest

from harness.errors import InputError
from harness.execute.executor import EXECUTORS, open_executor
from harness.execute.plan import RunSettings, choose_device
from harness.track.environment import usable_cores


def test_workers_share_the_cores(tmp_path: Path) -> None:
    assert RunSettings(home=tmp_path, workers=1).threads == usable_cores()
    assert RunSettings(home=tmp_path, workers=10_000).threads == 1


def test_the_cache_is_below_home_unless_named(tmp_path: Path) -> None:
    assert RunSettings(home=tmp_path).cache_folder == tmp_path / "cache"
    assert RunSettings(home=tmp_path, cache=tmp_path / "other").cache_folder == tmp_path / "other"


def test_the_processor_is_always_a_device() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in {"cpu", "cuda:0"}


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="cuda:99"):
        choose_device("cuda:99")


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_opens_without_starting_anything(name: str) -> None:
    with open_executor(name, 2, 1, "no_such_module:run") as executor:
        assert list(executor.run([], lambda _: pytest.fail("there is no job"))) == []


def test_an_unknown_executor_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match='did you mean "local"'):
        open_executor("locale", 1, 1)
