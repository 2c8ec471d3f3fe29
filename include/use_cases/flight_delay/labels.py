"""What really happened: late is 15 minutes or more, as the industry says."""

from __future__ import annotations

import pandas as pd

LATE_MINUTES = 15


def late_arrivals(events: pd.DataFrame) -> pd.DataFrame:
    """Label each flight that landed where it was to; one that was cancelled or diverted has no label."""
    landed = events[events["arr_delay"].notna()]
    return pd.DataFrame(
        {
            "flight_id": landed["flight_id"],
            "label": (landed["arr_delay"] >= LATE_MINUTES).astype("int64"),
            "labelled_at": landed["known_at"],
        }
    )
