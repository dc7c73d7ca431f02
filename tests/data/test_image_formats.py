"""Which image files are opened at all: by content, never a program, never without an end."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.contracts import Validation
from harness.data import fingerprint, load_splits
from harness.data.image_files import (
    FORMATS,
    Picture,
    Reading,
    Unreadable,
    UnreadableImageError,
    files_below,
    read_header,
    read_picture,
    read_pixels,
)
from harness.errors import DataError
from harness.export import classify
from harness.pictures.thumbnails import read_thumbnails
from harness.plugins import Catalog
from tests.data.conftest import MakeParquet, dataset, pictures
from tests.data.test_image_folder import make_tree

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n%%EOF\n"
FINGERPRINT = "efb9f502157abaa437c6c75abe971878"
"""Of a small tree of PNG files, as the code before these rules gave it."""
WMF = b"\xd7\xcd\xc6\x9a\x00\x00" + bytes(8) + b"\x10\x00\x10\x00" + bytes(40)


def saved(image: Image.Image, kind: str = "PNG") -> BytesIO:
    file = BytesIO()
    image.save(file, kind)
    file.seek(0)
    return file


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that is written whenever a program called gs is started."""
    told = tmp_path / "started"
    for name in ("gs", "gswin32c", "gswin64c"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ntouch {told}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    return told


@pytest.mark.parametrize(("content", "named"), [(POSTSCRIPT, "PostScript"), (WMF, "WMF"), (b"%PDF-1.7 ...", "PDF")])
def test_what_would_start_a_program_is_not_opened(content: bytes, named: str, ghostscript: Path) -> None:
    with pytest.raises(UnreadableImageError, match=f"{named}, which is not opened"):
        read_pixels(BytesIO(content), (16, 16, 3))
    assert not ghostscript.exists()


def test_no_door_opens_postscript(
    tmp_path: Path, make_parquet: MakeParquet, catalog: Catalog, cache: Path, ghostscript: Path
) -> None:
    tree = make_tree(tmp_path / "set" / "train")
    (tree / "ant" / "00.png").write_bytes(POSTSCRIPT)
    with pytest.raises(DataError, match=r"ant/00.png: PostScript, which is not opened"):
        fingerprint(dataset("image_folder", path=tmp_path / "set"), catalog, cache)
    make_parquet.write("train", [*pictures(5), POSTSCRIPT], np.arange(6) % 3)
    with pytest.raises(DataError, match="row 5: PostScript"):
        fingerprint(dataset("parquet", path=make_parquet.folder), catalog, cache)
    read = read_picture(tree / "ant" / "00.png", (6, 6, 3))
    assert isinstance(read, Unreadable)
    (tmp_path / "thumbnails.png").write_bytes(POSTSCRIPT)
    about = '{"version": 1, "split": "val", "classes": [], "probabilistic": true, "images": 1, "errors": 1, '
    about += '"tile": {"height": 6, "width": 6}, "tiles": [{"index": 0, "label": 0, "predicted": 1, "confidence": 1}]}'
    (tmp_path / "thumbnails.json").write_text(about)
    with pytest.raises(OSError, match="cannot identify"):
        read_thumbnails(tmp_path)
    with pytest.raises(OSError, match="cannot identify"):
        classify.read(tree / "ant" / "00.png", {"channels": 3, "resize": {"height": 6, "width": 6}})
    assert not ghostscript.exists()


def test_an_exported_model_opens_what_the_harness_opens() -> None:
    assert classify.FORMATS == FORMATS


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "PPM", "PCX", "SGI", "QOI", "TGA", "WEBP"])
def test_a_format_is_told_by_its_content(kind: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    path = tmp_path / "picture.eps"
    path.write_bytes(saved(Image.fromarray(pixels), kind).getvalue())
    assert isinstance(read_picture(path, (8, 8, 3)), Picture)


def test_a_folder_of_pictures_is_searched_for_what_is_opened(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg", "c.eps", "d.wmf", "e.pdf"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in files_below([tmp_path]) if isinstance(path, Path)] == ["a.png", "b.jpg"]


def test_an_empty_file_is_called_empty(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    tree = make_tree(tmp_path / "train")
    (tree / "bee" / "00.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"bee/00.png: empty"):
        fingerprint(dataset("image_folder", path=tmp_path), catalog, cache)


def test_only_files_are_read(tmp_path: Path, catalog: Catalog, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = make_tree(tmp_path / "train")
    monkeypatch.chdir(tree / "ant")
    os.mkfifo("pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.png")
    with pytest.raises(DataError) as error:
        fingerprint(dataset("image_folder", path=tmp_path), catalog, cache)
    assert "\n  ant/pipe.png: a named pipe, not a file\n  ant/socket.png: a socket, not a file" in str(error.value)
    read = read_picture(Path("pipe.png"), (6, 6, 3))
    assert isinstance(read, Unreadable)
    assert read.reason == "a named pipe, not a file"


def test_a_device_is_no_picture() -> None:
    read = read_picture(Path("/dev/zero"), (6, 6, 3))
    assert isinstance(read, Unreadable)
    assert read.reason == "a device, not a file"


def test_more_pixels_than_are_read_can_be_asked_for(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    tree = make_tree(tmp_path / "set" / "train")
    Image.new("L", (1500, 1500)).save(tree / "ant" / "00.png")
    small = dataset("image_folder", Validation(size=4), path=tmp_path / "set", resize=6, most_megapixels=2)
    with pytest.raises(DataError, match=r"ant/00.png: over 2 million pixels, the most that are read \(most_megapixel"):
        fingerprint(small, catalog, cache)
    larger = dataset("image_folder", Validation(size=4), path=tmp_path / "set", resize=6, most_megapixels=3)
    assert len(load_splits(larger, catalog, cache).train) == 16


def test_a_small_file_of_3600_megapixels_is_refused_before_it_is_unpacked() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    with pytest.raises(UnreadableImageError, match=r"over 179 million pixels, the most that are read"):
        read_header(BytesIO(bomb))


def test_twelve_bits_of_a_format_that_says_so_fill_the_eight() -> None:
    """A TIFF of 12 bits a sample, written by hand: Pillow writes none."""
    values = np.array([[0, 1024, 2048, 4095]], dtype=np.uint16)
    a, b, c, d = values.ravel().tolist()
    packed = bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255, c >> 4, (c & 15) << 4 | d >> 8, d & 255])
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 273: 0, 277: 1, 278: 1, 279: len(packed)}
    offset = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(
        tag.to_bytes(2, "little") + (4).to_bytes(2, "little") + (1).to_bytes(4, "little")
        + (offset if tag == 273 else value).to_bytes(4, "little")
        for tag, value in tags.items()
    )  # fmt: skip
    file = BytesIO(b"II*\0" + (8).to_bytes(4, "little") + len(tags).to_bytes(2, "little") + entries + bytes(4) + packed)
    assert read_pixels(file, (1, 4, 1)).ravel().tolist() == [0, 64, 128, 255]


def test_a_pgm_says_what_is_white() -> None:
    values = np.array([[0, 1024, 2048, 4095]], dtype=">u2")
    file = BytesIO(b"P5 4 1 4095\n" + values.tobytes())
    assert not read_header(file).color
    file.seek(0)
    assert read_pixels(file, (1, 4, 1)).ravel().tolist() == [0, 64, 128, 255]


def test_white_tells_how_many_bits_are_in_use(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    values = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    deep = saved(Image.fromarray(values))
    assert len(np.unique(read_pixels(deep, (16, 16, 1)))) == 17  # 16 bits, as far as the file says
    deep.seek(0)
    assert len(np.unique(read_pixels(deep, (16, 16, 1), Reading(white=4095)))) == 255
    deep.seek(0)
    with pytest.raises(UnreadableImageError, match="has values up to 4,080, above white: 1023"):
        read_pixels(deep, (16, 16, 1), Reading(white=1023))
    for name in ("ant", "bee"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "train" / name / f"{number}.png").write_bytes(deep.getvalue())
    wanted = dataset("image_folder", Validation(size=2), path=tmp_path, white=4095)
    assert load_splits(wanted, catalog, cache).train.images.max() == 254


def test_eight_bit_images_are_what_they_were(tmp_path: Path, catalog: Catalog, cache: Path) -> None:
    make_tree(tmp_path / "train")
    assert fingerprint(dataset("image_folder", path=tmp_path), catalog, cache) == FINGERPRINT
    white = dataset("image_folder", path=tmp_path, white=4095, most_megapixels=1)
    assert fingerprint(white, catalog, cache) == FINGERPRINT
