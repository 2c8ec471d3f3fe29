"""Does asking people about uncertain pictures save labels? scikit-learn's 1,797 digits, the network of use case `digits`, 500 pictures held out.

    python benchmarks/sampling.py [--seeds 5] [--workers 2]

Run it in environment `torch`. Both ways begin with the same 50 random tasks and ask for 50 more at a time: `random` any, `margin` those whose two
likeliest answers lie closest together for the model so far. A fifth of what was labelled is held out to stop the training. Each is played with three
kinds of people: faultless; one who answers 5 % wrong; two such people, where only rows on which they agree are learned from.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from gyre.label.sampling import margins
from use_cases.digits.training import inputs, train
from use_cases.digits.use_case import digits

STEP, SIZES, HELD_OUT, MISTAKES = 50, (100, 200, 300, 400, 600), 500, 0.05
PEOPLE = {"faultless": 0, "one, 5 % wrong": 1, "two, 5 % wrong": 2}


def pictures() -> tuple[pd.Series, np.ndarray]:
    """Give the pictures as PNG files, and their digits."""
    found = load_digits()
    files = []
    for picture in found.images:
        content = io.BytesIO()
        Image.fromarray(np.round(picture * 255 / 16).astype(np.uint8)).save(content, format="PNG")
        files.append(content.getvalue())
    return pd.Series(files, dtype=object), found.target.astype(str)


def answers(truth: np.ndarray, people: int, random: np.random.Generator) -> np.ndarray:
    """Give the label that people give each picture; "" where two disagree."""
    given = [truth if people == 0 else _with_mistakes(truth, random) for _ in range(max(people, 1))]
    return np.where(given[0] == given[-1], given[0], "")


def _with_mistakes(truth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    other = (truth.astype(int) + random.integers(1, 10, truth.size)) % 10
    return np.where(random.random(truth.size) < MISTAKES, other.astype(str), truth)


def fitted(files: pd.Series, labels: np.ndarray, asked: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Fit on the tasks asked so far; give the function from rows to class probabilities."""
    known = asked[labels[asked] != ""]
    part = np.arange(known.size) % 5 == 0  # `asked` is in random order within each step
    frames = [pd.DataFrame({"image": files.iloc[rows].to_numpy(), "label": labels[rows]}) for rows in (known[~part], known[part])]
    network = train(*frames, {**digits.training.parameters, "seed": seed})

    def probabilities(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            columns = torch.softmax(network(torch.from_numpy(inputs(pd.DataFrame({"image": files.iloc[rows].to_numpy()}))))[0], dim=1).numpy()
        whole = np.zeros((len(rows), 10))
        whole[:, np.array(network.classes_, dtype=int)] = columns
        return whole

    return probabilities


def play(seed: int, way: str, people: int) -> dict[int, float]:
    """Ask step by step; give the accuracy on the held-out pictures after each of SIZES tasks."""
    torch.set_num_threads(1)
    files, truth = pictures()
    random = np.random.default_rng(seed)
    order = random.permutation(truth.size)
    held_out, pool = order[:HELD_OUT], order[HELD_OUT:]
    labels = answers(truth, people, np.random.default_rng([seed, people]))
    asked, reached = pool[:STEP], {}
    while True:
        if way == "margin" or asked.size in SIZES:
            ask = fitted(files, labels, asked, seed)
        if asked.size in SIZES:
            reached[int(asked.size)] = float((ask(held_out).argmax(axis=1) == truth[held_out].astype(int)).mean())
        if asked.size == SIZES[-1]:
            return reached
        left = np.setdiff1d(pool, asked, assume_unique=True)
        chosen = random.permutation(left)[:STEP] if way == "random" else left[np.argsort(margins("multiclass", ask(left)), kind="stable")[:STEP]]
        asked = np.concatenate([asked, random.permutation(chosen)])


def main() -> None:
    """Play every way with everyone, and print accuracy and the paired difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    began = time.monotonic()
    plays = [(seed, way, people) for people in PEOPLE.values() for seed in range(asked.seeds) for way in ("random", "margin")]
    with ProcessPoolExecutor(asked.workers) as pool:
        found = dict(zip(plays, pool.map(play, *zip(*plays, strict=True)), strict=True))
    print(f"{'people':<16} {'accuracy % at tasks':<20}" + "".join(f"{size:>14}" for size in SIZES))
    for name, people in PEOPLE.items():
        table = {way: np.array([[100 * found[seed, way, people][size] for size in SIZES] for seed in range(asked.seeds)]) for way in ("random", "margin")}
        for way, values in table.items():
            print(f"{name:<16} {way:<20}" + "".join(f"{value:>14.1f}" for value in values.mean(axis=0)))
        difference = table["margin"] - table["random"]
        error = difference.std(axis=0, ddof=1) / np.sqrt(asked.seeds)
        print(f"{name:<16} {'margin - random':<20}" + "".join(f"{f'{d:+.1f} +- {e:.1f}':>14}" for d, e in zip(difference.mean(axis=0), error, strict=True)))
    print(f"{asked.seeds} seeds, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
