"""Classify image files with this model: python classify.py IMAGE ...

Needs torch, numpy and pillow, and the two files beside it: model.pt2 and preprocessing.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

HERE = Path(__file__).parent
TOP = 5
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "PCX", "SGI", "QOI", "ICO", "TGA")
"""What is opened: for others Pillow may start a program."""


def load() -> tuple[torch.nn.Module, dict[str, Any]]:
    """Return the network and the description of its preprocessing."""
    program = torch.export.load(HERE / "model.pt2")
    return program.module(), json.loads((HERE / "preprocessing.json").read_text(encoding="utf-8"))


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


def prepare(images: NDArray[np.uint8], about: dict[str, Any]) -> torch.Tensor:
    """Return images uint8 [N, H, W, C] as the network takes them: float32 [N, C, H, W], normalized."""
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / about["scale"]["divide_by"]
    mean, std = (torch.tensor(about["normalize"][name])[:, None, None] for name in ("mean", "std"))
    normalized: torch.Tensor = (pixels - mean) / std
    return normalized.contiguous()


def scores(network: torch.nn.Module, images: NDArray[np.uint8], about: dict[str, Any]) -> torch.Tensor:
    """Return logits float32 [N, K] for images uint8 [N, H, W, C]."""
    with torch.inference_mode():
        return torch.cat([network(prepare(images[at : at + 256], about)) for at in range(0, len(images), 256)])


def main() -> None:
    """Print the likeliest classes of each image that is named on the command line."""
    network, about = load()
    classes = about["output"]["classes"]
    for name in sys.argv[1:]:
        shares = scores(network, read(Path(name), about)[None], about)[0].softmax(0)
        best = shares.topk(min(TOP, len(classes)))
        print(name)  # noqa: T201
        for share, k in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            print(f"  {classes[k]}  {100 * share:.2f} %")  # noqa: T201


if __name__ == "__main__":
    main()
