"""Make the columns the model sees, and read the labels off the outcomes."""

import pandas as pd

from gyre.specs import Interval


def features(sources: dict[str, pd.DataFrame], interval: Interval) -> pd.DataFrame:
    """Make one row an item of the interval.

    Args:
        sources: Each source's rows of the interval, and of `schedule.lookback` before it.
        interval: Event time to make rows for.

    Returns:
        Keys, event time, and every feature column. Use only what is known at the moment of the prediction.
    """
    rows = sources["rows"]
    happened = pd.to_datetime(rows["happened_at"], utc=True)
    inside = (happened >= interval.start) & (happened < interval.end)
    rows, happened = rows[inside], happened[inside]
    return pd.DataFrame({"id": rows["id"], "happened_at": happened, "amount": rows["amount"], "hour": happened.dt.hour, "channel": rows["channel"]})


def labels(events: pd.DataFrame) -> pd.DataFrame:
    """Read labels off the outcomes: keys, `label`, and `labelled_at`, when it became known. Of several for one key the last wins."""
    return pd.DataFrame({"id": events["id"], "label": events["outcome"], "labelled_at": pd.to_datetime(events["known_at"], utc=True)})
