"""Matrix files: text with positions -> a study of cells, and what a cell's identity is."""

from harness.matrix.cell import cell_from_yaml, cell_to_yaml, flatten
from harness.matrix.document import study_name
from harness.matrix.experiments import varied
from harness.matrix.identity import canonical, cell_key, fit_key, is_same_source, may_name_files, sources_digest
from harness.matrix.load import Study, load_study
from harness.matrix.meanings import meanings, summary, type_words, types
from harness.matrix.remarks import remarks_of
from harness.matrix.schema import json_schema

__all__ = [
    "Study",
    "canonical",
    "cell_from_yaml",
    "cell_key",
    "fit_key",
    "cell_to_yaml",
    "flatten",
    "is_same_source",
    "json_schema",
    "load_study",
    "may_name_files",
    "meanings",
    "remarks_of",
    "sources_digest",
    "study_name",
    "summary",
    "type_words",
    "types",
    "varied",
]
