"""Matrix files: text with positions -> a study of cells, and what a cell's identity is."""

from harness.spec.cells import cell_from_yaml, cell_to_yaml, flatten
from harness.spec.identity import canonical, cell_key, sources_digest
from harness.spec.load import load_study
from harness.spec.schema import json_schema
from harness.spec.study import Study
from harness.spec.varied import varied

__all__ = [
    "Study",
    "canonical",
    "cell_from_yaml",
    "cell_key",
    "cell_to_yaml",
    "flatten",
    "json_schema",
    "load_study",
    "sources_digest",
    "varied",
]
