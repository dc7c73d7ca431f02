from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.data.image_files import UnreadableImageError, read_header, read_pixels


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> BytesIO:
    file = BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def test_color_pixels_are_kept() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(read_pixels(saved(Image.fromarray(pixels)), (5, 7, 3)), pixels)


def test_sixteen_bits_are_scaled_to_eight() -> None:
    deep = Image.fromarray(np.array([[0, 257 * 100, 65535, 300]], dtype=np.uint16))
    assert read_pixels(saved(deep), (1, 4, 1)).ravel().tolist() == [0, 100, 255, 1]
    assert not read_header(saved(deep)).color


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(np.array([[0, 255, 255]], dtype=np.uint8)).convert("1")
    assert read_pixels(saved(image), (1, 3, 1)).ravel().tolist() == [0, 255, 255]


def test_transparent_pixels_are_laid_over_white() -> None:
    image = Image.fromarray(np.array([[[10, 20, 30, 0], [10, 20, 30, 255]]], dtype=np.uint8))
    assert read_pixels(saved(image), (1, 2, 3)).tolist() == [[[255, 255, 255], [10, 20, 30]]]


def test_a_transparent_palette_color_is_laid_over_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([9, 8, 7, 50, 60, 70])
    image.putdata([0, 1])
    file = saved(image, transparency=0)
    assert read_pixels(file, (1, 2, 3)).tolist() == [[[255, 255, 255], [50, 60, 70]]]


def test_cmyk_becomes_color() -> None:
    image = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    pixels = read_pixels(saved(image, "TIFF"), (4, 4, 3))
    assert pixels[0, 0].tolist() == [0, 255, 255]


def test_the_orientation_that_a_camera_noted_is_applied() -> None:
    image = Image.new("RGB", (8, 4), "black")
    exif = Image.Exif()
    exif[0x0112] = 6
    file = saved(image, "JPEG", exif=exif)
    header = read_header(file)
    assert (header.height, header.width) == (8, 4)
    file.seek(0)
    assert read_pixels(file, (8, 4, 3)).shape == (8, 4, 3)


def test_gray_has_no_color_and_palettes_have() -> None:
    gray = Image.new("L", (2, 2))
    assert not read_header(saved(gray)).color
    assert read_header(saved(gray.convert("P"))).color


def test_resizing_averages_what_it_shrinks() -> None:
    image = Image.fromarray(np.array([[0, 0, 200, 200], [0, 0, 200, 200]], dtype=np.uint8))
    assert read_pixels(saved(image), (1, 2, 1)).ravel().tolist() == pytest.approx([28, 172], abs=30)


def test_floating_point_images_are_refused_with_the_reason() -> None:
    image = Image.fromarray(np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(UnreadableImageError, match="floating-point pixels"):
        read_header(saved(image, "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_damage_is_always_the_same_error(kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(pixels), kind).getvalue()
    for length in range(0, len(whole) - 150, max(1, len(whole) // 40)):
        with pytest.raises(UnreadableImageError):
            read_pixels(BytesIO(whole[:length]), (40, 40, 3))


def test_random_damage_is_never_another_error() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    random = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "GIF", "TIFF"):
        whole = np.frombuffer(saved(Image.fromarray(pixels), kind).getvalue(), np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            damaged[random.integers(0, len(damaged), 6)] = random.integers(0, 256, 6)
            try:
                read_header(BytesIO(damaged.tobytes()))
                read_pixels(BytesIO(damaged.tobytes()), (20, 20, 3))
            except UnreadableImageError:
                continue
