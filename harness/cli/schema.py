"""`harness schema`: the JSON Schema of a matrix file."""

from __future__ import annotations

from harness.cli.console import print_json
from harness.cli.options import Schema
from harness.matrix import json_schema
from harness.plugins import Catalog


def perform(asked: Schema) -> int:
    """Print the schema with the options of every component there is."""
    print_json(json_schema(Catalog(asked.plugins)))
    return 0
