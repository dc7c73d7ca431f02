"""Names of metrics as they stand in MLflow; nothing else in the code spells them out."""

from collections.abc import Mapping
from typing import Final, Literal

TRAIN_LOSS: Final = "train/loss"
TRAIN_ACCURACY: Final = "train/accuracy"
VAL_LOSS: Final = "val/loss"
VAL_ACCURACY: Final = "val/accuracy"
VAL_MACRO_F1: Final = "val/macro_f1"
LEARNING_RATE: Final = "lr"
IMAGES_PER_SECOND: Final = "images_per_second"
EPOCH_SECONDS: Final = "epoch_seconds"
TEST_ACCURACY: Final = "test/accuracy"
TEST_MACRO_F1: Final = "test/macro_f1"
TEST_LOSS: Final = "test/loss"
TEST_ECE: Final = "test/ece"
TEST_ACCURACY_TTA: Final = "test/accuracy_tta"
PARAMETERS: Final = "model/parameters"
FLOPS: Final = "model/flops"
TRAIN_SECONDS: Final = "time/train_seconds"
TOTAL_SECONDS: Final = "time/total_seconds"
PEAK_BYTES: Final = "memory/peak_bytes"
PLAIN_TRAIN_ACCURACY: Final = "train/accuracy_plain"
"""Of the kept model, on training images without augmentation."""
JOULES: Final = "energy/joules"
"""Of the fit, by the machine's own counters."""

EPOCH_METRICS: Final = (
    TRAIN_LOSS,
    TRAIN_ACCURACY,
    VAL_LOSS,
    VAL_ACCURACY,
    LEARNING_RATE,
    IMAGES_PER_SECOND,
    EPOCH_SECONDS,
)
"""Logged once an epoch, step = epoch, from 1."""

FINAL_METRICS: Final = (
    VAL_ACCURACY,
    VAL_MACRO_F1,
    TEST_ACCURACY,
    TEST_MACRO_F1,
    TEST_LOSS,
    TEST_ECE,
    TEST_ACCURACY_TTA,
    PARAMETERS,
    FLOPS,
    TRAIN_SECONDS,
    TOTAL_SECONDS,
    PEAK_BYTES,
    PLAIN_TRAIN_ACCURACY,
    JOULES,
)
"""Logged once a cell; what a claim can be about."""

OBJECTIVES: Final[Mapping[str, Literal["maximize", "minimize"]]] = {
    VAL_ACCURACY: "maximize",
    VAL_MACRO_F1: "maximize",
    VAL_LOSS: "minimize",
}
"""What a tuning study may look at, validation only, and which way is better."""

COSTS: Final = (PARAMETERS, FLOPS, TRAIN_SECONDS, PEAK_BYTES)
"""What a search may keep low beside its first goal, or hold below a limit."""
