"""How often 95 % intervals hold the truth, over simulated studies whose true accuracies are known.

Run: `python benchmarks/coverage.py [STUDIES]` from the repository's root; 1,000 take about five minutes.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.measure.simulated import Design, coverage_of

ACCURACIES = (0.90, 0.88, 0.93, 0.90, 0.85, 0.91)
COLUMNS = "models  images  seeds  seed sd   accuracies  differences  plain percentiles"


def main(studies: int) -> None:
    """Print a line a design; seed sd is the true standard deviation over seeds of an accuracy of 90 %, in points."""
    print(COLUMNS)
    for models, images, seeds, shift in product((2, 6), (400, 2000), (1, 2, 3, 5), (0.0, 0.02, 0.1)):
        if seeds > 1 or not shift:
            found = coverage_of(Design(ACCURACIES[:models], (seeds,) * models, images, shift), studies)
            shares = f"{found.means:>11.1%} {found.differences:>12.1%} {found.plain:>18.1%}"
            print(f"{models:>6} {images:>7} {seeds:>6} {shift * 17.5:>8.2f} {shares}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
