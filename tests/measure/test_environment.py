import subprocess
from pathlib import Path

from harness.measure.environment import environment_of, git_state, hardware, uncommitted, usable_cores


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_a_folder_without_a_repository_has_no_commit(tmp_path: Path) -> None:
    assert git_state(tmp_path) == "none"


def test_a_changed_working_tree_is_marked(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "a.txt").write_text("a")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "a")
    clean = git_state(tmp_path)
    (tmp_path / "a.txt").write_text("b")
    assert len(clean) == 40
    assert git_state(tmp_path) == f"{clean}+dirty"


def test_what_is_not_committed_is_kept_as_a_diff_with_the_names_of_new_files(tmp_path: Path) -> None:
    assert uncommitted(tmp_path) == ""
    git(tmp_path, "init")
    (tmp_path / "a.txt").write_text("before\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "a")
    assert uncommitted(tmp_path) == ""
    (tmp_path / "a.txt").write_text("after\n")
    (tmp_path / "new.txt").write_text("new")
    text = uncommitted(tmp_path)
    assert text.startswith("# new file, its contents are not kept: new.txt\ndiff --git a/a.txt b/a.txt")
    assert "-before\n+after" in text


def test_the_environment_names_machine_load_and_versions(tmp_path: Path) -> None:
    text = environment_of(tmp_path, "cpu", workers="2, 1 threads each").text
    lines = dict(line.split(": ", 1) for line in text.split("\n\n")[0].splitlines())
    assert lines["git"] == "none" and lines["workers"] == "2, 1 threads each"
    assert f"{usable_cores()} usable" in lines["cores"]
    assert {"processor", "load", "gpu", "memory", "python"} <= lines.keys()
    assert any(line.startswith("mlflow==3.17") for line in text.splitlines())
    assert lines["processor"] == hardware("cpu")
