"""A home that comes from someone else names files of this machine: none is read, none is written, each is told."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import StoreError
from harness.track import open_store
from harness.track.artifacts import RunFiles
from harness.track.within import files_of, within
from tests.cli.homes import harness, record_of

SECRET = "-----BEGIN OPENSSH PRIVATE KEY-----"


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "HARNESS_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder of this machine's user that no stranger's home is to reach."""
    folder = tmp_path / "user" / ".ssh"
    folder.mkdir(parents=True)
    for name in ("id_ed25519", "plan.json", "notes.txt"):
        (folder / name).write_text(SECRET)
    return folder


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two runs that have files."""
    home = tmp_path_factory.mktemp("honest") / "home"
    store = open_store(home)
    for name in ("good s0", "other s0"):
        run_id = store.start_run("theirs", "cell", name, tags={"harness.key": name[:4] * 4})
        for path in ("notes.txt", "predictions/val.txt"):
            store.log_text(run_id, f"{path} of {name}", path)
        store.end(run_id, "FINISHED")
    return home


@pytest.fixture
def stranger(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "stranger"))


def folder_of_other(home: Path) -> Path:
    return Path(record_of(home, "other s0", "theirs").artifacts)


def address_is(home: Path, address: object) -> None:
    """Let the database say that the files of one run are somewhere else."""
    run_id = record_of(home, "other s0", "theirs").run_id
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (str(address), run_id))


def with_socket(home: Path, private: Path) -> None:
    here = Path.cwd()
    os.chdir(folder_of_other(home))  # a socket's address is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("asleep.txt")
    os.chdir(here)


TRICKS: dict[str, Callable[[Path, Path], object]] = {
    "an address in the database": address_is,
    "an address with dots": lambda home, private: address_is(home, f"{home}/artifacts/../../user/.ssh"),
    "a linked file": lambda home, private: (folder_of_other(home) / "key.txt").symlink_to(private / "id_ed25519"),
    "a linked folder": lambda home, private: (folder_of_other(home) / "more").symlink_to(private),
    "a link within the home": lambda home, private: (folder_of_other(home) / "db.txt").symlink_to(home / "mlflow.db"),
    "a link to itself": lambda home, private: (folder_of_other(home) / "loop.txt").symlink_to("loop.txt"),
    "a pipe": lambda home, private: os.mkfifo(folder_of_other(home) / "pipe.txt"),
    "a socket": with_socket,
}


@pytest.mark.parametrize("trick", TRICKS)
def test_merge_copies_the_homes_own_files_and_names_the_rest(
    stranger: Path, private: Path, tmp_path: Path, trick: str
) -> None:
    TRICKS[trick](stranger, private)
    target = tmp_path / "ours"
    done = harness("merge", stranger, "--home", target, "--json")
    assert done.exit_code == 3, done.stderr
    (told,) = json.loads(done.stdout)
    assert told["copied"] == 2
    assert len(told["refused"]) == 1 and told["refused"][0].startswith("other s0: ")
    assert files_below(target, SECRET) == []
    good = Path(record_of(target, "good s0", "theirs").artifacts)
    assert (good / "predictions/val.txt").read_text() == "predictions/val.txt of good s0"
    kept = {path.name for path in Path(record_of(target, "other s0", "theirs").artifacts).rglob("*")}
    assert kept == (set() if "address" in trick else {"notes.txt", "predictions", "val.txt"})
    assert not any(path.is_symlink() for path in target.rglob("*"))


def files_below(home: Path, text: str) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_home_without_tricks_is_merged_whole_and_stays_as_it_was(stranger: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in stranger.rglob("*") if path.is_file()}
    assert harness("merge", stranger, "--home", tmp_path / "ours").exit_code == 0
    after = {path: path.read_bytes() for path in stranger.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before if path.suffix != ".db-shm"} == {
        path: each for path, each in before.items() if path.suffix != ".db-shm"
    }
    assert {path.name for path in after.keys() - before.keys()} <= {"mlflow.db-shm", "mlflow.db-wal"}


@pytest.mark.parametrize("part", ["artifacts", "mlflow.db"])
def test_a_home_whose_store_lies_elsewhere_is_not_read(stranger: Path, tmp_path: Path, part: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (stranger / part).rename(elsewhere)
    (stranger / part).symlink_to(elsewhere)
    done = harness("merge", stranger, "--home", tmp_path / "ours", "--json")
    if part == "mlflow.db":
        assert (done.exit_code, done.stdout) == (1, "")
        assert "leads out of it" in done.stderr
    else:
        assert len(json.loads(done.stdout)[0]["refused"]) == 2
    assert files_below(tmp_path / "ours", "notes.txt of") == []


def test_files_that_there_is_no_room_for_are_told_before_anything_is_copied(stranger: Path, tmp_path: Path) -> None:
    huge = folder_of_other(stranger) / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(shutil.disk_usage(tmp_path).total + 1)  # sparse: it takes no room where it is
    done = harness("merge", stranger, "--home", tmp_path / "ours")
    assert done.exit_code == 1
    assert "are free; nothing of it was merged" in done.stderr
    assert open_store(tmp_path / "ours").records("theirs") == ()


def test_the_components_that_a_strangers_model_names_are_not_taken_over(stranger: Path, tmp_path: Path) -> None:
    code = tmp_path / "their_code"
    code.mkdir()
    saved = tmp_path / "model"
    saved.mkdir()
    (saved / "task.json").write_text(json.dumps({"shape": [8, 8, 1], "classes": ["a", "b"]}))
    (saved / "model.safetensors").write_bytes(b"weights")
    store = open_store(stranger)
    run_id = store.start_run("theirs", "cell", "third s0", tags={"harness.key": "3" * 16})
    store.log_folder(run_id, tmp_path / "model")
    for path in saved.iterdir():
        store.log_text(run_id, path.read_text(), f"model/{path.name}")
    store.log_model(run_id, saved, [code])
    store.end(run_id, "FINISHED")
    assert files_below(stranger, str(code))
    assert harness("merge", stranger, "--home", tmp_path / "ours").exit_code == 0
    assert [path.name for path in files_below(tmp_path / "ours", "python_function")] == ["MLmodel"]
    assert files_below(tmp_path / "ours", str(code)) == []


@pytest.mark.parametrize(
    "trick", [name for name in TRICKS if name not in {"a link within the home", "a link to itself"}]
)
def test_no_command_reads_what_a_home_names_outside_of_itself(stranger: Path, private: Path, trick: str) -> None:
    TRICKS[trick](stranger, private)
    store = open_store(stranger)
    run = record_of(stranger, "other s0", "theirs")
    with pytest.raises(StoreError, match=r"it is left alone|no file of its own"):
        store.artifact(run.run_id, "")
    names = [path.name for path in Path(run.artifacts).glob("*") if path.name not in {"notes.txt", "predictions"}]
    for name in [*names, *(["notes.txt", "id_ed25519"] if "address" in trick else [])]:
        with pytest.raises(StoreError, match=r"it is left alone|no file of its own"):
            store.artifact(run.run_id, name)


def test_no_command_writes_where_a_home_names_a_place_outside_of_itself(stranger: Path, private: Path) -> None:
    address_is(stranger, private)
    run = record_of(stranger, "other s0", "theirs")
    with pytest.raises(StoreError, match="it is left alone"):
        open_store(stranger).log_text(run.run_id, "mine now", "authorized_keys")
    assert sorted(path.name for path in private.iterdir()) == ["id_ed25519", "notes.txt", "plan.json"]


def test_a_folder_of_ones_own_on_another_disk_is_still_ones_own(stranger: Path, tmp_path: Path) -> None:
    (stranger / "artifacts").rename(tmp_path / "disk")
    (stranger / "artifacts").symlink_to(tmp_path / "disk")
    run = record_of(stranger, "good s0", "theirs")
    path = open_store(stranger).artifact(run.run_id, "notes.txt")
    assert path is not None and path.read_text() == "notes.txt of good s0"


def test_a_server_cannot_name_files_outside_of_a_run(tmp_path: Path) -> None:
    class Repository:
        def list_artifacts(self, path: str | None) -> list[Any]:
            return [SimpleNamespace(path="../../../out.txt", is_dir=False)]

        def _download_file(self, path: str, local: str) -> None:
            Path(local).write_text("theirs")

    info = SimpleNamespace(artifact_uri="mlflow-artifacts:/1", end_time=5)
    client: Any = SimpleNamespace(
        get_run=lambda run_id: SimpleNamespace(info=info),
        repository=lambda address: Repository(),
        call=lambda method, *arguments: method(*arguments),
    )
    with pytest.raises(StoreError, match="outside of the run; it is not fetched"):
        RunFiles(client, tmp_path / "home").get("a" * 32, "")
    assert not list(tmp_path.rglob("out.txt"))


def test_within_follows_links_and_dots(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (root / "away").symlink_to(tmp_path)
    (root / "near").symlink_to(root / "inner")
    assert [within(root, root / name) for name in (".", "inner", "near/x", "not/there")] == [True] * 4
    assert [within(root, root / name) for name in ("..", "away", "away/root/../x", "inner/../../x", "x\0y")] == [
        False
    ] * 5
    assert not within(root, Path("/etc/hostname"))
    assert [each.partition(": ")[2] for each in files_of(root, root).strange] == [
        f"leads out of {root}",
        "is a symbolic link",
    ]
