"""A fitted model as a folder that needs no harness: weights, program, preprocessing, model card."""

from harness.export.bundle import Bundle, write_bundle

__all__ = ["Bundle", "write_bundle"]
