"""What is known of a flight 60 minutes before its scheduled departure, and nothing that is not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gyre.specs import Interval

AHEAD = pd.Timedelta(minutes=60)
HOUR = pd.Timedelta(hours=1)
OLDEST_OBSERVATION = pd.Timedelta(hours=6)
MEASURED = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
ZONE = "America/New_York"


def features(sources: dict[str, pd.DataFrame], interval: Interval) -> pd.DataFrame:
    """Make one row a flight that is scheduled to depart in the interval."""
    scheduled = sources["flights"]
    flights = scheduled[(scheduled["scheduled_departure"] >= interval.start) & (scheduled["scheduled_departure"] < interval.end)]
    flights = flights.sort_values("scheduled_departure", ignore_index=True)
    moment = flights["scheduled_departure"] - AHEAD
    columns = _schedule(flights) | _weather(flights, moment, sources["weather"]) | _plane(flights, sources["planes"])
    columns |= _recent(flights, moment, sources["arrivals"])
    return flights[["flight_id", "scheduled_departure", "carrier", "origin", "dest", "distance"]].assign(**columns)


def _schedule(flights: pd.DataFrame) -> dict[str, object]:
    """Read from the clock and the day's schedule."""
    local = flights["scheduled_departure"].dt.tz_convert(ZONE)
    in_hour = flights.groupby(["origin", flights["scheduled_departure"].dt.floor("h")])["flight_id"].transform("size")
    return {
        "departure_hour": local.dt.hour,
        "departure_minute": local.dt.hour * 60 + local.dt.minute,
        "day_of_week": local.dt.dayofweek,
        "departures_in_hour": in_hour,
    }


def _weather(flights: pd.DataFrame, moment: pd.Series, weather: pd.DataFrame) -> dict[str, object]:
    """Take the last observation at the origin by the moment of prediction."""
    asked = pd.DataFrame({"origin": flights["origin"], "time_hour": moment.astype("datetime64[us, UTC]")})
    observed = weather[["origin", "time_hour", *MEASURED]].astype({"time_hour": "datetime64[us, UTC]"}).sort_values("time_hour")
    found = pd.merge_asof(asked, observed, on="time_hour", by="origin", tolerance=OLDEST_OBSERVATION)
    return {name: found[name].to_numpy(dtype=float) for name in MEASURED}


def _plane(flights: pd.DataFrame, planes: pd.DataFrame) -> dict[str, object]:
    """Look the plane up; one in seven is not in the register."""
    known = planes.drop_duplicates("tailnum").set_index("tailnum")
    built = flights["tailnum"].map(known["year"]).astype(float)
    return {"plane_age": flights["scheduled_departure"].dt.year - built, "plane_seats": flights["tailnum"].map(known["seats"]).astype(float)}


def _recent(flights: pd.DataFrame, moment: pd.Series, arrivals: pd.DataFrame) -> dict[str, object]:
    """Average what had landed in the hours before the moment of prediction, as it was first reported."""
    events = arrivals.sort_values("known_at").drop_duplicates("flight_id")
    landed = events[events["arr_delay"].notna()]
    landed = landed.assign(late=(landed["arr_delay"] >= 15).astype(float))
    window = _Windows(flights, moment)
    return {
        "origin_delay_1h": window.mean(landed, "arr_delay", 1, "origin"),
        "origin_delay_3h": window.mean(landed, "arr_delay", 3, "origin"),
        "origin_delay_24h": window.mean(landed, "arr_delay", 24, "origin"),
        "origin_late_3h": window.mean(landed, "late", 3, "origin"),
        "origin_departure_delay_3h": window.mean(landed, "dep_delay", 3, "origin"),
        "origin_landed_3h": window.count(landed, 3, "origin"),
        "carrier_delay_3h": window.mean(landed, "arr_delay", 3, "carrier"),
        "carrier_delay_24h": window.mean(landed, "arr_delay", 24, "carrier"),
        "carrier_late_3h": window.mean(landed, "late", 3, "carrier"),
        "carrier_late_24h": window.mean(landed, "late", 24, "carrier"),
        "route_delay_24h": window.mean(landed, "arr_delay", 24, "origin", "dest"),
        "network_delay_1h": window.mean(landed, "arr_delay", 1),
        "network_cancelled_6h": window.mean(events.assign(gone=events["cancelled"].astype(float)), "gone", 6),
    }


class _Windows:
    """Sums over the events that became known in the hours before each flight's moment of prediction, by cumulative sums."""

    def __init__(self, flights: pd.DataFrame, moment: pd.Series) -> None:
        self.flights = flights
        self.moment = _microseconds(moment)

    def _ends(self, events: pd.DataFrame, hours: int, by: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sort events by group and time; say for each flight where its window begins and ends in that order."""
        groups = pd.concat([_group(self.flights, by), _group(events, by)]).factorize()[0].astype("int64")
        mine, theirs = groups[: len(self.flights)], groups[len(self.flights) :]
        known = _microseconds(events["known_at"])
        order = np.lexsort((known, theirs))
        span = 2**52  # microseconds: more than a century, so that groups cannot meet
        line = theirs[order] * span + known[order]
        end = np.searchsorted(line, mine * span + self.moment, side="right")
        begin = np.searchsorted(line, mine * span + self.moment - hours * 3_600_000_000, side="right")
        return order, begin, end

    def mean(self, events: pd.DataFrame, column: str, hours: int, *by: str) -> np.ndarray:
        """Mean of a column; missing where nothing became known."""
        order, begin, end = self._ends(events, hours, by)
        total = np.concatenate([[0.0], np.cumsum(events[column].to_numpy(dtype=float)[order])])
        count = (end - begin).astype(float)
        return np.divide(total[end] - total[begin], count, out=np.full(len(count), np.nan), where=count > 0)

    def count(self, events: pd.DataFrame, hours: int, *by: str) -> np.ndarray:
        """Number of events."""
        _, begin, end = self._ends(events, hours, by)
        return (end - begin).astype(float)


def _group(rows: pd.DataFrame, by: tuple[str, ...]) -> pd.Series:
    key = pd.Series("", index=rows.index)
    for column in by:
        key = key + "|" + rows[column].astype(str)
    return key


def _microseconds(times: pd.Series) -> np.ndarray:
    return times.astype("datetime64[us, UTC]").astype("int64").to_numpy() % 2**51
