"""Say for many rows at once which cell of event time each belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gyre.specs.interval import Grid, cell_key

if TYPE_CHECKING:
    import pyarrow as pa


def cell_keys(times: pa.ChunkedArray | pa.Array, grid: Grid) -> pa.Array:
    """Give each instant's value of the column `_interval`.

    Args:
        times: Instants, of an Arrow timestamp type (one without a time zone is UTC); none missing.
        grid: The use case's cells.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(times) == 0:
        return pa.array([], pa.string())
    instants = times.cast(pa.timestamp("us", "UTC"))
    first, last = (bound.as_py() for bound in (pc.min(instants), pc.max(instants)))
    # cell boundaries between the first and the last instant; found again by bisection
    starts = [grid.floor(first)]
    while starts[-1] <= last:
        starts.append(grid.after(starts[-1]))
    edges = np.array([int(start.timestamp() * 1_000_000) for start in starts], dtype="int64")
    places = np.searchsorted(edges, instants.cast(pa.int64()).to_numpy(), side="right") - 1
    return pa.array([cell_key(start) for start in starts]).take(pa.array(places))
