"""Data sets by their names on the Hugging Face Hub, from a server on this machine that answers as the hub does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.sources import hub as module
from harness.errors import DataError
from tests.data.conftest import MakeParquet, pictures

NEW, OLD = "a" * 40, "b" * 40
COMMAND = (sys.executable, "-m", "harness.cli")
MATRIX = """\
version: 1
study: hubs
dataset: {name: hub, repo: someone/animals%s, validation: {split: val}}
seeds: [0]
experiments: {floor: {model: majority}}
"""


@dataclass
class FakeHub:
    """A server with the files of one data set; `asked` are the paths of files that were fetched."""

    files: dict[str, bytes]
    commit: str = NEW
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[Any, Mapping[str, str]] | None:
        """Return what a path gives, JSON or bytes, with its headers; None where nothing is there."""
        api = "/api/datasets/someone/animals"
        if path.startswith((f"{api}/revision/main", f"{api}/revision/{self.commit}")):
            return {"id": "someone/animals", "sha": self.commit, "siblings": []}, {}
        if path.startswith(f"{api}/tree/{self.commit}"):
            return [self._listed(name, data) for name, data in self.files.items()], {}
        name = path.partition("?")[0].removeprefix(f"/datasets/someone/animals/resolve/{self.commit}/")
        if name not in self.files:
            return None
        data = self.files[name]
        return data, {"ETag": f'"{sha1(data).hexdigest()}"', "X-Repo-Commit": self.commit}

    @staticmethod
    def _listed(name: str, data: bytes) -> dict[str, object]:
        return {"type": "file", "oid": sha1(data).hexdigest(), "size": len(data), "path": name}


@pytest.fixture
def server(make_parquet: MakeParquet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """Serve four training shards, a validation and a test file, and have the package ask this server."""
    pytest.importorskip("huggingface_hub")
    (make_parquet.folder / "data").mkdir()
    for number in range(4):
        make_parquet.write(f"data/train-0000{number}-of-00004", pictures(15, seed=number), np.arange(15) % 3)
    make_parquet.write("data/validation-00000-of-00001", pictures(9, seed=8), np.arange(9) % 3)
    make_parquet.write("data/test-00000-of-00001", pictures(12, seed=9), np.arange(12) % 3)
    files = {str(path.relative_to(make_parquet.folder)): path for path in make_parquet.folder.rglob("*.parquet")}
    hub = FakeHub({name: path.read_bytes() for name, path in files.items()} | {"README.md": b"# Animals"})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = hub.answer(self.path)
            body = (
                found[0]
                if found and isinstance(found[0], bytes)
                else json.dumps(found[0] if found else {"error": "not here"}).encode()
            )
            if self.command == "GET" and "/resolve/" in self.path:
                hub.asked.append(self.path.rpartition("/")[2])
            self.send_response(200 if found else 404)
            for name, value in (found[1] if found else {}).items():
                self.send_header(name, value)
            if found is None:
                self.send_header(
                    "X-Error-Code", "RevisionNotFound" if "someone/animals/" in self.path else "RepoNotFound"
                )
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - http.server's own name

        def log_message(self, *_: object) -> None:
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{served.server_port}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield hub
    served.shutdown()
    served.server_close()


def harness(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.slow
def test_a_data_set_is_fetched_by_name_split_by_split_and_is_there_offline(server: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MATRIX % "")
    plan = harness(tmp_path, "plan", "m.yaml", "--home", "home")
    assert "hub is not fetched yet, so its cells are not shown; to fetch it: harness data m.yaml" in plan.stderr
    assert server.asked == []

    ran = harness(tmp_path, "run", "m.yaml", "--home", "home", "--device", "cpu", "--executor", "inline", "--json")
    assert ran.returncode == 0, ran.stderr
    (cell,) = json.loads(ran.stdout)["cells"]
    assert cell["metrics"]["test/accuracy"] == pytest.approx(1 / 3)
    assert f"someone/animals: revision main is commit {NEW}; to pin it, give that" in ran.stderr
    assert sorted(server.asked) == sorted(Path(name).name for name in server.files if name.endswith(".parquet"))
    first = [
        server.asked.index(f"{split}-00000-of-0000{count}.parquet") for split, count in (("train", 4), ("test", 1))
    ]
    assert first == sorted(first)

    server.commit = OLD  # the branch moves on: what was fetched stays what it was, and it is there without a network
    again = harness(tmp_path, "plan", "m.yaml", "--home", "home", "--json", HF_HUB_OFFLINE="1")
    assert [each["state"] for each in json.loads(again.stdout)["cells"]] == ["done"], again.stderr
    shown = harness(tmp_path, "data", "m.yaml", "--home", "home", "--json", HF_HUB_OFFLINE="1")
    assert json.loads(shown.stdout)[0]["train"]["images"] == 69

    (tmp_path / "pinned.yaml").write_text(MATRIX % f", revision: {NEW}")
    pinned = harness(tmp_path, "plan", "pinned.yaml", "--home", "home", "--json", HF_HUB_OFFLINE="1")
    assert [each["state"] for each in json.loads(pinned.stdout)["cells"]] == ["done"], pinned.stderr


@pytest.mark.slow
def test_what_cannot_be_had_is_one_sentence(server: FakeHub, tmp_path: Path) -> None:
    def told(options: str, **variables: str) -> str:
        (tmp_path / "m.yaml").write_text((MATRIX % "").replace("animals", options))
        done = harness(tmp_path, "data", "m.yaml", "--home", "home", **variables)
        assert done.returncode == 2 and len(done.stderr.splitlines()) <= 3, done.stderr
        return done.stderr

    assert "hub: someone/plants, revision main: there is no such data set, or it takes a token" in told("plants")
    assert "revision v9: the data set has no such revision" in told("animals, revision: v9")
    offline = told("animals", HF_HUB_OFFLINE="1")
    assert "hub: someone/animals, revision main: is not in the cache of huggingface-hub and cannot be" in offline
    del server.files["data/train-00002-of-00004.parquet"]
    assert "3 of 4 shards are there" in told("animals")
    assert "someone/animals, folder plain has no train*.parquet; folder: may name another" in told(
        "animals, folder: plain"
    )


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DataError, match=r'takes the package huggingface-hub: pip install "sealed-harness\[hub\]"'):
        module.Hub(repo="someone/animals").stamp("train", tmp_path)
