"""One row a picture: who it is and when it was taken are in its file's name, `20260302T081530-<scan id>.png`."""

from __future__ import annotations

import pandas as pd

from gyre.specs import Interval

NAME = r"^(?P<taken_at>\d{8}T\d{6})-(?P<scan_id>[A-Za-z0-9]+)\.png$"


def features(sources: dict[str, pd.DataFrame], interval: Interval) -> pd.DataFrame:  # noqa: ARG001 - a delivery is an interval's
    """Make one row a picture of the interval's delivery."""
    scans = sources["scans"]
    named = scans["name"].str.extract(NAME)
    taken_at = pd.to_datetime(named["taken_at"], format="%Y%m%dT%H%M%S", utc=True)
    return pd.DataFrame({"scan_id": named["scan_id"], "taken_at": taken_at, "image": scans["content"], "image_uri": scans["uri"]})
