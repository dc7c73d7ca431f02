from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from harness.data.sources._published import Patience, RemoteFile, download
from harness.errors import DataError

CONTENT = np.random.default_rng(0).bytes(1_000_000)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
QUICK = Patience(tries=3, pause_seconds=0.0, timeout_seconds=5.0)


@dataclass
class Server:
    """Serves CONTENT on this machine; can break off after some bytes, and can refuse ranges."""

    address: str = ""
    breaks: list[int] = field(default_factory=list)
    """How many bytes each of the next answers sends before it breaks off."""
    has_ranges: bool = True
    asked: list[str | None] = field(default_factory=list)
    """The Range header of each request."""

    def file(self, md5: str = MD5, *more: str) -> RemoteFile:
        return RemoteFile("set.bin", (*more, f"{self.address}/set.bin"), md5)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.asked.append(asked)
            if self.path != "/set.bin":
                self.send_error(404)
                return
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and state.has_ranges else 0
            if start >= len(CONTENT):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
                self.end_headers()
                return
            self.send_response(206 if asked and state.has_ranges else 200)
            if asked and state.has_ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            self.wfile.write(CONTENT[start:][: state.breaks.pop(0) if state.breaks else None])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{listening.server_port}"
    yield state
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_a_file_arrives_whole(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert download(server.file(), tmp_path, QUICK).read_bytes() == CONTENT
    told = capsys.readouterr()
    assert told.out == ""
    assert "downloading set.bin: 1.0 of 1.0 MB, 100%" in told.err


def test_a_transfer_that_breaks_off_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.breaks = [400_000, 300_000]
    assert download(server.file(), tmp_path, QUICK).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=400000-", "bytes=700000-"]


def test_the_next_call_goes_on_where_the_last_gave_up(server: Server, tmp_path: Path) -> None:
    server.breaks = [100_000, 100_000, 100_000]
    with pytest.raises(DataError, match="broke off after 300,000 of 1,000,000 bytes"):
        download(server.file(), tmp_path, QUICK)
    assert (tmp_path / "set.bin.part").stat().st_size == 300_000
    assert download(server.file(), tmp_path, QUICK).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300000-"
    assert not (tmp_path / "set.bin.part").exists()


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.has_ranges = False
    server.breaks = [400_000]
    assert download(server.file(), tmp_path, QUICK).read_bytes() == CONTENT


def test_a_complete_part_is_taken_as_it_is(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.bin.part").write_bytes(CONTENT)
    assert download(server.file(), tmp_path, QUICK).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.bin.part").write_bytes(CONTENT + b"more")
    assert download(server.file(), tmp_path, QUICK).read_bytes() == CONTENT


def test_a_wrong_checksum_is_an_error_and_the_file_is_removed(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"wrong checksum: MD5 is {MD5}, expected {'0' * 32}"):
        download(server.file("0" * 32), tmp_path, QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["set.bin.lock"]


def test_a_damaged_file_that_was_there_is_removed_and_then_downloaded(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match="wrong checksum"):
        download(server.file(), tmp_path, QUICK)
    assert server.asked == []
    assert download(server.file(), tmp_path, QUICK).read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_asked_for(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.bin").write_bytes(CONTENT)
    assert download(server.file(), tmp_path, QUICK) == tmp_path / "set.bin"
    assert server.asked == []


def test_the_next_address_is_tried(server: Server, tmp_path: Path) -> None:
    wanted = server.file(MD5, f"{server.address}/elsewhere.bin")
    assert download(wanted, tmp_path, QUICK).read_bytes() == CONTENT


def test_a_dead_server_is_told_with_the_place_for_the_file(tmp_path: Path) -> None:
    wanted = RemoteFile("set.bin", ("http://127.0.0.1:9/set.bin",), MD5)
    with pytest.raises(DataError, match=r"cannot be downloaded(.|\n)*put the file at .*set\.bin yourself"):
        download(wanted, tmp_path, QUICK)


def test_two_that_want_the_same_file_download_it_once(server: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: download(server.file(), tmp_path, QUICK), range(2)))
    assert paths == [tmp_path / "set.bin"] * 2
    assert server.asked == [None]
