"""How fast drift of 2 million rows of 24 columns is measured against a stored reference, beside what one would use otherwise.

    python benchmarks/drift.py [--rows 2000000] [--peers]

Run it in environment `tabular`. `--peers` adds scipy's exact statistics, column by column, and Evidently where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from gyre.histograms import Counts, Reference, build_reference
from gyre.monitor.drift import features_drift
from gyre.specs import Features

NUMERIC, CATEGORICAL, BATCH = 22, 2, 262_144
FEATURES = Features(function="a:b", numeric=[f"x{i}" for i in range(NUMERIC)], categorical=[f"c{i}" for i in range(CATEGORICAL)])


def columns(rows: int, seed: int, shift: float) -> dict[str, np.ndarray]:
    """Make normal columns, and texts of 30 categories."""
    generator = np.random.default_rng(seed)
    names = np.array([f"category {i}" for i in range(30)], dtype=object)
    numeric = {name: generator.normal(shift, 1, rows) for name in FEATURES.numeric}
    return numeric | {name: names[generator.integers(0, 30, rows)] for name in FEATURES.categorical}


def gyre(reference: Reference, current: dict[str, np.ndarray], rows: int) -> Any:
    """Count batch by batch, then ask for every distance."""
    counts = Counts(reference)
    for start in range(0, rows, BATCH):
        counts.add({name: values[start : start + BATCH] for name, values in current.items()})
    return features_drift(reference, counts)


def scipy(before: dict[str, np.ndarray], current: dict[str, np.ndarray]) -> Any:
    """Compute the exact KS and Wasserstein of every numeric column."""
    from scipy.stats import ks_2samp, wasserstein_distance

    return [(ks_2samp(before[n], current[n]).statistic, wasserstein_distance(before[n], current[n])) for n in FEATURES.numeric]


def evidently(before: dict[str, np.ndarray], current: dict[str, np.ndarray]) -> Any:
    """Compute one statistic, PSI, of every column."""
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    return Report([DataDriftPreset(method="psi")]).run(pd.DataFrame(current), pd.DataFrame(before))


def timed(name: str, work: Callable[[], Any]) -> Any:
    """Run once, and print wall and CPU seconds and the process's peak memory so far."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<44} {time.perf_counter() - wall:7.2f} s wall {time.process_time() - cpu:7.2f} s CPU   peak {peak:6.0f} MB")
    return result


def main() -> None:
    """Measure, and say how far the binned statistics lie from the exact ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--peers", action="store_true")
    asked = parser.parse_args()
    import pandas as pd

    before, current = columns(asked.rows, 0, 0.0), columns(asked.rows, 1, 0.1)
    frame = pd.DataFrame(before)
    reference = timed("gyre: make the reference (once, at training)", lambda: build_reference(frame, FEATURES, np.zeros(1), bins=256))
    found = timed("gyre: PSI, JS, KS, Wasserstein, TV", lambda: gyre(reference, current, asked.rows))
    if not asked.peers:
        return
    exact = timed("scipy: KS and Wasserstein, exact", lambda: scipy(before, current))
    by_name = {drift.feature: drift for drift in found}
    ks = max(abs((by_name[n].ks or 0) - e[0]) for n, e in zip(FEATURES.numeric, exact, strict=True))
    moved = max(abs((by_name[n].wasserstein or 0) * reference.numeric[n].scale / e[1] - 1) for n, e in zip(FEATURES.numeric, exact, strict=True))
    print(f"largest difference from the exact one: KS {ks:.5f}, Wasserstein {moved:.2%}")
    if importlib.util.find_spec("evidently"):
        timed("evidently: PSI alone", lambda: evidently(before, current))


if __name__ == "__main__":
    main()
