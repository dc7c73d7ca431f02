"""How often 95 % intervals hold the truth, and tests at 5 % are wrong, over simulated studies of known accuracies.

Run: `python benchmarks/coverage.py [STUDIES] [NAME]` from the repository's root; 200 studies take under
two minutes a design on one core. `NAME` chooses the designs whose name has it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.measure.simulated import Design, alike, coverage_of

NINE, DRAWS = 0.9, 300
UNSTABLE = (0.035, *(0.0035,) * 5)
DESIGNS = {
    "2 seeds, 2 recipes alike": alike(2, 2),
    "3 seeds, 2 recipes alike": alike(2, 3),
    "5 seeds, 2 recipes alike": alike(2, 5),
    "3 seeds, 6 recipes alike": alike(6, 3),
    "3 seeds, 2 recipes, seeds move single images only": alike(2, 3, sd=0.0),
    "2 seeds, 6 recipes, one unstable: that one": Design((NINE,) * 6, (2,) * 6, 2000, UNSTABLE, watched=(0,)),
    "3 seeds, 6 recipes, one unstable: that one": Design((NINE,) * 6, (3,) * 6, 2000, UNSTABLE, watched=(0,)),
    "3 seeds, 6 recipes, one unstable: the others": Design(
        (NINE,) * 6, (3,) * 6, 2000, UNSTABLE, watched=(1, 2, 3, 4, 5)
    ),
    "3 seeds, 12 recipes, one sd 1.8, 10,000 images: that one": Design(
        (NINE,) * 12, (3,) * 12, 10_000, (0.018, *(0.0035,) * 11), watched=(0,)
    ),
    "2 seeds against 5": Design((NINE,) * 2, (2, 5), 2000, (0.009,) * 2),
    "deterministic against 3 seeds": Design((NINE,) * 2, (1, 3), 2000, (0.0, 0.009)),
    "1 seed each, 10,000 images: the fits": replace(alike(2, 1, 10_000), of_fits=True),
    "1 seed against five with 5: this fit": Design(
        (NINE,) * 6, (1, *(5,) * 5), 2000, (0.009,) * 6, watched=(0,), of_fits=True
    ),
    "1 seed against five with 5: the recipe": Design((NINE,) * 6, (1, *(5,) * 5), 2000, (0.009,) * 6, watched=(0,)),
    "3 seeds, 60 % right": alike(2, 3, accuracy=0.6),
    "3 seeds, 100 images, 97 % right": alike(2, 3, images=100, sd=0.003, accuracy=0.97),
    "3 seeds, 40 groups of 50 images": replace(alike(2, 3), groups=40),
    "1 fit each, 40 groups of 50 images": replace(alike(2, 1, sd=0.0), groups=40),
}
UNKNOWN = "3 seeds, 40 groups of 50 images", "1 fit each, 40 groups of 50 images"


def main(studies: int, wanted: str) -> None:
    """Print a line a design; sd is the standard deviation over seeds of a recipe's true accuracy."""
    print("| design: 2,000 images, 90 % right, sd 0.9 points | means | differences | p < .05 | any told apart | s |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, design in DESIGNS.items():
        if wanted in name:
            _line(name, design, studies, use_groups=True)
            if name in UNKNOWN:
                _line(f"{name}, groups not known", design, studies, use_groups=False)


def _line(name: str, design: Design, studies: int, *, use_groups: bool) -> None:
    began = perf_counter()
    found = coverage_of(design, studies, DRAWS, use_groups=use_groups)
    shares = found.means, found.differences, found.rejected, found.any_rejected
    print(f"| {name} | {' | '.join(f'{each:.1%}' for each in shares)} | {perf_counter() - began:.0f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, sys.argv[2] if len(sys.argv) > 2 else "")
