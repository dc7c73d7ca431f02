"""Every metric: a row of one table, by its name in MLflow. Nothing else spells a name out or guesses from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

Kind = Literal["share", "loss", "count", "operations", "rate", "seconds", "bytes", "joules", "epoch", "number"]

TEST_SET: Final = "test_"
"""What the split of each test set but the first begins with; its name follows."""
TEST_ACCURACY: Final = "test/accuracy"
TEST_MACRO_F1: Final = "test/macro_f1"
TEST_LOSS: Final = "test/loss"
TEST_ECE: Final = "test/ece"
TEST_BALANCED: Final = "test/balanced_accuracy"
TEST_TOP_K: Final = "test/top_k"
TEST_AUC: Final = "test/auc"
TEST_WORST_CLASS: Final = "test/worst_class"
TEST_WORST_GROUP: Final = "test/worst_group"
TEST_ACCURACY_TTA: Final = "test/accuracy_tta"
VAL_ACCURACY: Final = "val/accuracy"
VAL_MACRO_F1: Final = "val/macro_f1"
VAL_LOSS: Final = "val/loss"
VAL_ECE: Final = "val/ece"
VAL_ACCURACY_TTA: Final = "val/accuracy_tta"
TRAIN_ACCURACY: Final = "train/accuracy"
TRAIN_LOSS: Final = "train/loss"
PLAIN_TRAIN_ACCURACY: Final = "train/accuracy_plain"
BEST_EPOCH: Final = "best_epoch"
LEARNING_RATE: Final = "lr"
EPOCH_SECONDS: Final = "epoch_seconds"
IMAGES_PER_SECOND: Final = "images_per_second"
PARAMETERS: Final = "model/parameters"
TOTAL_PARAMETERS: Final = "model/parameters_total"
FLOPS: Final = "model/flops"
TRAIN_SECONDS: Final = "time/train_seconds"
TOTAL_SECONDS: Final = "time/total_seconds"
PEAK_BYTES: Final = "memory/peak_bytes"
JOULES: Final = "energy/joules"


@dataclass(frozen=True, slots=True)
class Metric:
    """What there is to know of a metric; how its values are written: `harness.words`."""

    key: str
    words: str
    """Its name in a sentence."""
    kind: Kind
    direction: Literal["maximize", "minimize"] | None = None
    """Which way is better."""
    hint: str = ""
    """What is measured, where the name leaves that open."""
    is_final: bool = True
    """Whether it is a figure of the finished cell; one of epochs too counts as at the last epoch."""
    is_per_epoch: bool = False
    """Whether it is logged once an epoch, step = epoch, from 1."""
    is_headline: bool = False
    """Whether it belongs to the few figures that one looks for first."""
    is_per_image: bool = False
    """Whether it is a mean of a value that each image has, so that it has an interval for new images."""
    needs_probabilities: bool = False
    """Whether margins, such as a support vector machine's scores, do not have it."""
    is_claimable: bool = True
    """Whether a claim can be about it."""
    use: Literal["objective", "cost", ""] = ""
    """Whether a search may go for it (validation only), or keep it low beside that and hold it below a limit."""

    @property
    def split(self) -> str:
        """The images it is measured on: test (and test_NAME), val or train; empty where it is of none."""
        start, slash, _ = self.key.partition("/")
        return start if slash and (start in {"test", "val", "train"} or start.startswith(TEST_SET)) else ""

    @property
    def is_of_test(self) -> bool:
        """Whether it is measured on test images, of whichever test set."""
        return self.split == "test" or self.split.startswith(TEST_SET)

    @property
    def name(self) -> str:
        """The last part of its key, which is the same for all images that it is measured on."""
        return self.key.rpartition("/")[2]

    @property
    def is_of_machine(self) -> bool:
        """Whether it tells as much of the machine as of the model: never averaged over several devices."""
        return self.kind in {"rate", "seconds", "bytes", "joules"}

    @property
    def digits(self) -> int:
        """How many decimals a share in percent, a loss and any other number is given with."""
        return 2 if self.kind == "share" else 4


_F1, _ECE = "mean F1 over classes", "expected calibration error, 15 bins"
_LOSS, _TTA = "mean cross-entropy in nats", "with test-time augmentation"
_RECALL = "mean recall over classes"
_TOP_K = "true class among the k highest scores: k is 5 from 10 classes on, 3 from 6, 2 from 3"
_AUC = "area under the ROC curve, one class against the rest, mean over classes"
_CLASS, _GROUP = "recall of the class that has the lowest", "accuracy of the group that has the lowest"
_ROWS: Final = (
    Metric(TEST_ACCURACY, "test accuracy", "share", "maximize", is_headline=True, is_per_image=True),
    Metric(TEST_BALANCED, "test balanced accuracy", "share", "maximize", _RECALL, is_per_image=True),
    Metric(TEST_MACRO_F1, "test macro-F1", "share", "maximize", _F1, is_headline=True, is_per_image=True),
    Metric(TEST_TOP_K, "test top-k accuracy", "share", "maximize", _TOP_K, is_per_image=True),
    Metric(TEST_AUC, "test AUC", "share", "maximize", _AUC, is_per_image=True),
    Metric(
        TEST_LOSS,
        "test loss",
        "loss",
        "minimize",
        _LOSS,
        is_headline=True,
        is_per_image=True,
        needs_probabilities=True,
    ),
    Metric(
        TEST_ECE,
        "test ECE",
        "share",
        "minimize",
        _ECE,
        is_headline=True,
        is_per_image=True,
        needs_probabilities=True,
    ),
    Metric(TEST_WORST_CLASS, "test worst class", "share", "maximize", _CLASS, is_per_image=True),
    Metric(TEST_WORST_GROUP, "test worst group", "share", "maximize", _GROUP, is_per_image=True),
    Metric(TEST_ACCURACY_TTA, "test accuracy with TTA", "share", "maximize", _TTA),
    Metric(
        VAL_ACCURACY, "validation accuracy", "share", "maximize", use="objective", is_per_epoch=True, is_headline=True
    ),
    Metric("val/balanced_accuracy", "validation balanced accuracy", "share", "maximize", _RECALL, use="objective"),
    Metric(VAL_MACRO_F1, "validation macro-F1", "share", "maximize", _F1, use="objective"),
    Metric("val/top_k", "validation top-k accuracy", "share", "maximize", _TOP_K, use="objective"),
    Metric("val/auc", "validation AUC", "share", "maximize", _AUC, use="objective"),
    Metric(
        VAL_LOSS,
        "validation loss",
        "loss",
        "minimize",
        _LOSS,
        use="objective",
        is_per_epoch=True,
        is_claimable=False,
        needs_probabilities=True,
    ),
    Metric(
        VAL_ECE,
        "validation ECE",
        "share",
        "minimize",
        _ECE,
        use="objective",
        is_claimable=False,
        needs_probabilities=True,
    ),
    Metric("val/worst_class", "validation worst class", "share", "maximize", _CLASS, use="objective"),
    Metric("val/worst_group", "validation worst group", "share", "maximize", _GROUP, use="objective"),
    Metric(VAL_ACCURACY_TTA, "validation accuracy with TTA", "share", "maximize", _TTA, is_claimable=False),
    Metric(PLAIN_TRAIN_ACCURACY, "training accuracy, plain", "share", "maximize", "of images without augmentation"),
    Metric(
        TRAIN_ACCURACY, "training accuracy", "share", "maximize", is_final=False, is_per_epoch=True, is_claimable=False
    ),
    Metric(TRAIN_LOSS, "training loss", "loss", "minimize", is_final=False, is_per_epoch=True, is_claimable=False),
    Metric(BEST_EPOCH, "best epoch", "epoch", hint="of the highest validation accuracy", is_claimable=False),
    Metric(LEARNING_RATE, "learning rate", "number", is_final=False, is_per_epoch=True, is_claimable=False),
    Metric(EPOCH_SECONDS, "epoch time", "seconds", "minimize", is_final=False, is_per_epoch=True, is_claimable=False),
    Metric(PARAMETERS, "parameters", "count", "minimize", use="cost", is_headline=True),
    Metric(TOTAL_PARAMETERS, "parameters in all", "count", "minimize", "of networks that are trained in part only"),
    Metric(FLOPS, "FLOPs", "operations", "minimize", "of a forward pass over one image", use="cost"),
    Metric(TRAIN_SECONDS, "train time", "seconds", "minimize", "time of fitting alone", use="cost", is_headline=True),
    Metric(TOTAL_SECONDS, "total time", "seconds", "minimize", "of the whole cell"),
    Metric(
        IMAGES_PER_SECOND,
        "images/s",
        "rate",
        "maximize",
        "last epoch of fitting",
        is_per_epoch=True,
        is_claimable=False,
    ),
    Metric(PEAK_BYTES, "peak memory", "bytes", "minimize", use="cost"),
    Metric(JOULES, "energy", "joules", "minimize", "of the fit, by the machine's own counters"),
)
METRICS: Final[Mapping[str, Metric]] = {row.key: row for row in _ROWS}
"""All metrics by their names, in the order in which people are shown them."""
EPOCH_METRICS: Final = tuple(row.key for row in _ROWS if row.is_per_epoch)
CLAIMABLE: Final = tuple(row.key for row in _ROWS if row.is_claimable)
OBJECTIVES: Final = tuple(row.key for row in _ROWS if row.use == "objective")
COSTS: Final = tuple(row.key for row in _ROWS if row.use == "cost")

RANKINGS: Final = tuple(row.name for row in _ROWS if row.split == "test" and row.is_per_image)
"""What a report may rank by: figures of test images that have intervals and paired tests, by the last part of name."""


def metric_of(key: str) -> Metric:
    """Return a metric's row; of a name that is not in the table, as other stores may hold, a plain number's.

    Of several test sets `test_NAME/...` is what `test/...` is of the first.
    """
    if key in METRICS or not key.startswith(TEST_SET):
        return METRICS.get(key) or Metric(key, key, "number")
    name, _, measure = key.removeprefix(TEST_SET).partition("/")
    like = metric_of(f"test/{measure}")
    return replace(like, key=key, words=f"{name} {like.words}", is_headline=False)
