"""`harness models --parameters`: the list of models with their parameter counts; imports torch."""

from __future__ import annotations

from harness.cli.models import list_models, show_models
from harness.cli.options import Models
from harness.cli.sizes import plain_task, size_of
from harness.errors import InputError
from harness.plugins import Catalog


def perform(asked: Models) -> int:
    """List the models with the parameters they have for images as asked for."""
    catalog = Catalog(asked.plugins)
    task = plain_task(asked.image_shape, asked.classes)
    lines = list_models(catalog)
    counted: dict[str, int | None] = {}
    for line in lines:
        try:
            size = size_of(catalog.realize("model", line.name, {}), task)
        except InputError:  # too large for these images
            size = None
        counted[line.name] = None if size is None else size.parameters
    show_models(lines, asked.json, counted)
    return 0
