"""Classify image files with this model: python classify.py IMAGE ...

Needs numpy, pillow and what model.py imports; beside it model.py, what that reads, and preprocessing.json.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

HERE = Path(__file__).parent
TOP = 5
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "PCX", "SGI", "QOI", "ICO", "TGA")
"""What is opened: for others Pillow may start a program."""


def load() -> tuple[Any, dict[str, Any]]:
    """Return the model and the description of its preprocessing."""
    about = json.loads((HERE / "preprocessing.json").read_text(encoding="utf-8"))
    return _code().load(HERE, about), about


def _code() -> ModuleType:
    """Return the module model.py."""
    spec = importlib.util.spec_from_file_location("model", HERE / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path, about: dict[str, Any]) -> NDArray[np.uint8]:
    """Return an image file as uint8 [H, W, C], decoded and resized as the training images were."""
    with Image.open(path, formats=FORMATS) as file:
        white = about.get("decode", {}).get("white") or (
            4095 if tuple(getattr(file, "tag_v2", {}).get(258, ())) == (12,) else 65535
        )
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith("I"):
            image = Image.fromarray(np.rint(np.minimum(np.asarray(image), white) * (255 / white)).astype(np.uint8))
        elif "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
            color = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", color.size, "white"), color).convert("RGB")
        image = image.convert("L" if about["channels"] == 1 else "RGB")
    size = about["resize"]["width"], about["resize"]["height"]
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8).reshape(size[1], size[0], about["channels"])


def scores(model: Any, images: NDArray[np.uint8], about: dict[str, Any]) -> NDArray[np.float32]:
    """Return scores [N, K] for images uint8 [N, H, W, C]; the largest of a row wins."""
    size = 256
    parts = [model(images[at : at + size]) for at in range(0, len(images), size)]
    return np.concatenate([np.empty((0, len(about["output"]["classes"])), np.float32), *parts])


def main() -> None:
    """Print the likeliest classes of each image that is named on the command line."""
    model, about = load()
    classes = about["output"]["classes"]
    for name in sys.argv[1:]:
        found = scores(model, read(Path(name), about)[None], about)[0]
        shares = np.exp(found - found.max()) / np.exp(found - found.max()).sum()
        print(name)  # noqa: T201
        for k in np.argsort(-found, kind="stable")[:TOP]:
            figure = f"{100 * shares[k]:.2f} %" if about["output"]["probabilistic"] else f"{found[k]:+.3f}"
            print(f"  {classes[k]}  {figure}")  # noqa: T201


if __name__ == "__main__":
    main()
