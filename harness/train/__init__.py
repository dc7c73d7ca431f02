"""Training of networks: batches on the device, the step, the fit, checkpoints, tracing."""

from harness.train.classifier import NetworkClassifier
from harness.train.trace import parameter_count, trace

__all__ = ["NetworkClassifier", "parameter_count", "trace"]
