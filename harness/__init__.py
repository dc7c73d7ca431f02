"""harness: honest experiment matrices for image classification."""

__version__ = "0.1.0"
