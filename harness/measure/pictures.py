"""The pictures among a cell's artifacts: plain arrays in, PNG files out, each in well under a second."""

from harness.measure.confusion import draw_confusion
from harness.measure.curves import draw_curves
from harness.measure.galleries import draw_errors, draw_filters

__all__ = ["draw_confusion", "draw_curves", "draw_errors", "draw_filters"]
