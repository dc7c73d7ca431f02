"""Training of networks: batches on the device, the step, the fit, checkpoints, tracing."""

from harness.train.classifier import NetworkClassifier
from harness.train.trace import Layer, flops, parameter_count, trace

__all__ = ["Layer", "NetworkClassifier", "flops", "parameter_count", "trace"]
