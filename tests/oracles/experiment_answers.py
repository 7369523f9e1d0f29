# mypy: ignore-errors
"""python experiment_answers.py > experiment_answers.json: what independent libraries make of drawn experiments.

It runs in an environment of its own (requirements.lock beside it), without any of ours. GrowthBook's library says
estimates, variances and confidence sequences, Spotify's the bounds of looks, SciPy the tails of chi-squared.
"""

import json
import random
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
from gbstats.frequentist.tests import (
    FrequentistConfig,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import (
    RatioStatistic,
    RegressionAdjustedStatistic,
    SampleMeanStatistic,
    compute_theta,
)
from scipy.stats import chi2

SEED = 20270101


def draw_arm(source, people, lift):
    """Return the spending of people after and before an exposure, many of them without any."""
    before = np.array([source.lognormvariate(3, 1) if source.random() < 0.4 else 0.0 for _ in range(people)])
    after = np.array(
        [(source.lognormvariate(3, 1) + one / 2) * lift if source.random() < 0.5 else 0.0 for one in before]
    )
    return after, before


def sums(after, before):
    """Return the sums of an arm as the product takes them."""
    return {
        "n": len(after),
        "y": float(after.sum()),
        "yy": float((after**2).sum()),
        "x": float(before.sum()),
        "xx": float((before**2).sum()),
        "xy": float((after * before).sum()),
    }


def result(test):
    """Return the estimate of a test and its error."""
    return {"value": float(test.point_estimate), "error": float(np.sqrt(test.variance))}


def mean(arm, name):
    """Return the statistic of one of the two numbers of an arm."""
    return SampleMeanStatistic(n=arm["n"], sum=arm[name], sum_squares=arm[name * 2])


def compare(control, arm):
    """Return the answers for one pair of arms."""
    absolute, relative = FrequentistConfig(difference_type="absolute"), FrequentistConfig(difference_type="relative")
    means = [mean(one, "y") for one in (control, arm)]
    ratios = [
        RatioStatistic(
            n=one["n"], m_statistic=mean(one, "y"), d_statistic=mean(one, "x"), m_d_sum_of_products=one["xy"]
        )
        for one in (control, arm)
    ]
    adjusted = [
        RegressionAdjustedStatistic(
            n=one["n"],
            post_statistic=mean(one, "y"),
            pre_statistic=mean(one, "x"),
            post_pre_sum_of_products=one["xy"],
            theta=0,
        )
        for one in (control, arm)
    ]
    theta = compute_theta(*adjusted)
    for one in adjusted:
        one.theta = theta
    sequence = SequentialTwoSidedTTest(
        *means, SequentialConfig(difference_type="absolute", sequential_tuning_parameter=20_000, alpha=0.02)
    )
    return {
        "control": control,
        "arm": arm,
        "mean": {
            "absolute": result(TwoSidedTTest(*means, absolute)),
            "relative": result(TwoSidedTTest(*means, relative)),
        },
        "ratio": {
            "absolute": result(TwoSidedTTest(*ratios, absolute)),
            "relative": result(TwoSidedTTest(*ratios, relative)),
        },
        "adjusted": {"absolute": result(TwoSidedTTest(*adjusted, absolute))},
        "sequence": {"lower": float(sequence.confidence_interval[0]), "expected": 20_000, "alpha": 0.01},
    }


def load_solver():
    """Return Spotify's module of bounds; its package would load charts and notebooks as well."""
    folder = Path(find_spec("spotify_confidence").submodule_search_locations[0])
    spec = spec_from_file_location("solver", folder / "analysis" / "frequentist" / "sequential_bound_solver.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find_bounds(solver, fractions, power):
    """Return the bounds of looks that spend 0.05 by a power of the fraction, both sides together."""
    answer = solver.bounds(np.array(fractions), alpha=0.05, rho=power, ztrun=8.0, sides=2)
    return {"fractions": fractions, "power": power, "bounds": [float(one) for one in answer.bounds]}


def main():
    """Write all answers."""
    source = random.Random(SEED)
    pairs = []
    for people, others, lift in [(400, 400, 1.0), (5_000, 5_000, 1.05), (20_000, 2_000, 0.97), (300, 9_000, 1.3)]:
        pairs.append(compare(sums(*draw_arm(source, people, 1.0)), sums(*draw_arm(source, others, lift))))
    solver = load_solver()
    looks = [
        find_bounds(solver, fractions, power)
        for fractions in (
            [0.25, 0.5, 0.75, 1.0],
            [0.1, 0.3, 0.35, 0.9, 1.0],
            [k / 10 for k in range(1, 11)],
            [0.6, 1.0],
        )
        for power in (1, 3)
    ]
    tails = [
        {"value": value, "degrees": degrees, "tail": float(chi2.sf(value, degrees))}
        for degrees in (1, 2, 3, 5, 12)
        for value in (0.01, 0.5, 1.0, 3.84, 10.83, 25.0, 80.0, 300.0)
    ]
    print(json.dumps({"seed": SEED, "pairs": pairs, "looks": looks, "tails": tails}, indent=1))  # noqa: T201


main()
