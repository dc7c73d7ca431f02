"""A cell's pictures where MLflow's charts find them: as images of a run, to be seen side by side with other runs'."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Any, Final

from PIL import Image

SHOWN: Final = ("confusion", "errors", "evidence", "hog", "filters", "curves")
"""Artifacts without their `.png`, in the order in which they are logged."""
FOLDER: Final = "images"
SECTION: Final = "pictures"
"""Where MLflow's charts put them, together."""
THUMBNAIL: Final = 256
LOGGED: Final = "mlflow.loggedImages"


def log_pictures(client: Any, run_id: str, folder: Path, local: Path | None) -> None:
    """Log the pictures in `folder` as images at step 0.

    In a local artifact folder they are links to the files that are there already, named as
    `MlflowClient.log_image` names them: the same pictures twice would double the disk that they take.
    """
    found = [folder / f"{name}.png" for name in SHOWN if (folder / f"{name}.png").is_file()]
    for path in found:
        if local is None:
            with Image.open(path) as picture:
                client.log_image(run_id, picture, key=f"{SECTION}/{path.stem}", step=0, synchronous=True)
        else:
            _link(local / path.name, local / FOLDER, f"{SECTION}~{path.stem}", run_id)
    if found and local is not None:
        client.set_tag(run_id, LOGGED, "True")


def _link(path: Path, folder: Path, key: str, run_id: str) -> None:
    """Put a picture and its thumbnail into `folder`, a slash in their key as `~`; twice gives the same two files."""
    folder.mkdir(exist_ok=True)
    name = f"{key}+step+0+timestamp+0+{uuid.uuid5(uuid.NAMESPACE_OID, f'{run_id}/{key}')}"
    whole = folder / f"{name}.png"
    if not whole.exists():
        _link_or_copy(path, whole)
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(folder / f"{name}+compressed.webp")


def _link_or_copy(path: Path, copy: Path) -> None:
    try:
        os.link(path, copy)
    except OSError:  # a file system without hard links keeps two copies
        shutil.copyfile(path, copy)
