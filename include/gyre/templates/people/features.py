"""Make the columns the model sees, and what people are shown."""

import pandas as pd

from gyre.specs import Interval


def features(sources: dict[str, pd.DataFrame], interval: Interval) -> pd.DataFrame:
    """Make one row an item of the interval.

    Args:
        sources: Each source's rows of the interval, and of `schedule.lookback` before it.
        interval: Event time to make rows for.

    Returns:
        Keys, event time, every feature column, and the columns that people are shown. Use only what is known at the moment of the prediction.
    """
    rows = sources["rows"]
    happened = pd.to_datetime(rows["happened_at"], utc=True)
    inside = (happened >= interval.start) & (happened < interval.end)
    rows, happened = rows[inside], happened[inside]
    columns = {"id": rows["id"], "happened_at": happened, "amount": rows["amount"], "hour": happened.dt.hour, "channel": rows["channel"], "note": rows["note"]}
    return pd.DataFrame(columns)
