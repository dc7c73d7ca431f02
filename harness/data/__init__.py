"""Images in: sources, the cache of decoded images, the validation split, the seal, duplicates."""

from harness.data.cache import digest_of
from harness.data.load import (
    changed,
    class_names,
    concatenate,
    fingerprint,
    fitted_on,
    image_names,
    load_splits,
    task_of,
)
from harness.data.seal import open_test, open_tests, sealed_set, together

__all__ = [
    "changed",
    "class_names",
    "concatenate",
    "digest_of",
    "fingerprint",
    "fitted_on",
    "image_names",
    "load_splits",
    "open_test",
    "open_tests",
    "sealed_set",
    "task_of",
    "together",
]
