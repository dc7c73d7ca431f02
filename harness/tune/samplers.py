"""Samplers and pruners by their names in a matrix file, made so that the same study draws the same points."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from optuna import pruners, samplers

from harness.contracts import Range, Tune

REDUCTION: Final = 3
"""Of successive halving and Hyperband: a third goes on at each rung, as in Li et al. 2018, section 3.6."""
STARTUP_TRIALS: Final = 5
"""Complete trials before the median rule prunes."""
WARMUP_EPOCHS: Final = 1
"""The median rule does not judge by the first epoch."""


def make_sampler(tune: Tune, study: str, number: int) -> samplers.BaseSampler:
    """Return the sampler that draws trial `number`.

    A sampler's random state is not stored with a study, so each trial's comes from the study's name and the
    trial's number; a quasi-random sequence is one sequence and keeps one seed.
    """
    seed = seed_of(study, number)
    has_conditions = any(dimension.when for dimension in tune.space.values())
    match tune.sampler:
        case "tpe":
            return samplers.TPESampler(seed=seed, multivariate=True, group=has_conditions, constant_liar=True)
        case "gp":
            return samplers.GPSampler(
                seed=seed,
                independent_sampler=samplers.RandomSampler(seed),
                deterministic_objective=False,
                warn_independent_sampling=False,
            )
        case "cmaes":
            return samplers.CmaEsSampler(
                seed=seed,
                independent_sampler=samplers.RandomSampler(seed),
                warn_independent_sampling=False,
            )
        case "qmc":
            return samplers.QMCSampler(
                seed=seed_of(study, -1),
                scramble=True,
                independent_sampler=samplers.RandomSampler(seed),
                warn_asynchronous_seeding=False,
                warn_independent_sampling=False,
            )
        case "random" | "grid":  # a grid's points are put in by number, nothing is drawn
            return samplers.RandomSampler(seed)


def make_pruner(tune: Tune) -> pruners.BasePruner | None:
    """Return the pruner, None where nothing is pruned. A step is an epoch, from 1."""
    epochs = epochs_of(tune)
    match tune.pruner:
        case "none":
            return None
        case "median":
            return _median()
        case "patient":
            return pruners.PatientPruner(_median(), patience=max(1, epochs // 5))
        case "hyperband":
            return pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=REDUCTION)
        case "successive_halving":
            return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)


def epochs_of(tune: Tune) -> int:
    """Return the most epochs that a trial can take; 1 for models without a recipe."""
    longest = tune.start.recipe.epochs if tune.start.recipe else 1
    for path, dimension in tune.space.items():
        if path == "recipe.epochs":
            values = [dimension.high] if isinstance(dimension, Range) else dimension.choices
            longest = max(int(value) for value in values if isinstance(value, int | float))
    return longest


def seed_of(study: str, number: int) -> int:
    """Return the seed of a trial, 32 bits."""
    return int.from_bytes(sha256(f"{study} {number}".encode()).digest()[:4], "big")


def _median() -> pruners.MedianPruner:
    return pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_EPOCHS + 1)
