"""The features know nothing that is not known 60 minutes before departure."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from gyre.specs import Interval
from use_cases.flight_delay.features import features
from use_cases.flight_delay.labels import late_arrivals
from use_cases.flight_delay.use_case import flight_delay

DAY = datetime(2013, 3, 4, 5, tzinfo=UTC)  # midnight in New York
INTERVAL = Interval(DAY, DAY + timedelta(days=1))
HOUR = pd.Timedelta(hours=1)


@pytest.fixture
def sources() -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(3)
    count = 900
    departure = pd.Timestamp(DAY - timedelta(days=1)) + pd.to_timedelta(random.integers(0, 2 * 24 * 60, count), unit="min")
    flights = pd.DataFrame(
        {
            "flight_id": [f"f{i}" for i in range(count)],
            "carrier": random.choice(["UA", "B6"], count),
            "tailnum": random.choice(["N1", "N2", None], count),
            "origin": random.choice(["JFK", "LGA"], count),
            "dest": random.choice(["ORD", "BOS", "MIA"], count),
            "distance": 700,
            "scheduled_departure": departure,
            "scheduled_arrival": departure + 2 * HOUR,
        }
    )
    delay = random.integers(-20, 90, count).astype(float)
    arrivals = flights[["flight_id", "carrier", "origin", "dest", "scheduled_departure"]].assign(
        dep_delay=delay,
        arr_delay=np.where(random.random(count) < 0.05, np.nan, delay),
        cancelled=random.random(count) < 0.05,
        known_at=flights["scheduled_arrival"] + pd.to_timedelta(delay, unit="min"),
    )
    hours = pd.date_range(DAY - timedelta(days=1), periods=48, freq="h")
    measured = {name: random.random(96) for name in ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")}
    weather = pd.DataFrame({"origin": ["JFK"] * 48 + ["LGA"] * 48, "time_hour": [*hours, *hours], **measured})
    planes = pd.DataFrame({"tailnum": ["N1"], "year": [2003], "seats": [150]})
    return {"flights": flights, "arrivals": arrivals, "weather": weather, "planes": planes}


def shuffled(rows: pd.DataFrame, later: pd.Series, columns: list[str]) -> pd.DataFrame:
    changed = rows.copy()
    order = np.random.default_rng(9).permutation(later.sum())
    changed.loc[later, columns] = rows.loc[later, columns].to_numpy()[order]
    return changed


@pytest.mark.parametrize("hour", [2, 8, 14, 20])
def test_shuffling_everything_later_than_the_prediction_changes_no_feature(sources, hour):
    moment = pd.Timestamp(DAY) + hour * HOUR
    later = dict(sources)
    known = sources["arrivals"]["known_at"]
    later["arrivals"] = shuffled(sources["arrivals"], known > moment, ["flight_id", "carrier", "origin", "dep_delay", "arr_delay", "cancelled"])
    weather = sources["weather"]
    later["weather"] = shuffled(weather, weather["time_hour"] > moment, ["origin", "temp", "wind_speed", "pressure"])
    before, after = (made[made["scheduled_departure"] <= moment + HOUR] for made in (features(sources, INTERVAL), features(later, INTERVAL)))
    assert len(before) > 20
    pd.testing.assert_frame_equal(before, after)


def test_a_window_holds_what_landed_in_it_and_nothing_else(sources):
    made = features(sources, INTERVAL).set_index("flight_id")
    landed = sources["arrivals"][sources["arrivals"]["arr_delay"].notna()]
    for flight_id, row in made.iloc[::60].iterrows():
        moment = row["scheduled_departure"] - HOUR
        mine = landed[(landed["origin"] == row["origin"]) & (landed["known_at"] <= moment) & (landed["known_at"] > moment - 3 * HOUR)]
        assert row["origin_landed_3h"] == len(mine), flight_id
        assert row["origin_delay_3h"] == pytest.approx(mine["arr_delay"].mean(), nan_ok=True)


def test_every_column_of_the_spec_is_there_and_each_flight_of_the_interval_once(sources):
    made = features(sources, INTERVAL)
    assert set(flight_delay.features.columns) <= set(made.columns)
    assert len(flight_delay.features.columns) == 32
    scheduled = sources["flights"]["scheduled_departure"]
    assert len(made) == ((scheduled >= INTERVAL.start) & (scheduled < INTERVAL.end)).sum()


def test_a_correction_changes_no_feature_for_it_came_later(sources):
    first = sources["arrivals"].iloc[:50]
    correction = first.assign(arr_delay=500.0, known_at=first["known_at"] + 12 * HOUR)
    corrected = {**sources, "arrivals": pd.concat([sources["arrivals"], correction], ignore_index=True)}
    pd.testing.assert_frame_equal(features(sources, INTERVAL), features(corrected, INTERVAL))


def test_late_is_fifteen_minutes_and_what_never_landed_has_no_label():
    events = pd.DataFrame({"flight_id": ["a", "b", "c"], "arr_delay": [14.0, 15.0, None], "known_at": [pd.Timestamp(DAY)] * 3})
    assert late_arrivals(events).set_index("flight_id")["label"].to_dict() == {"a": 0, "b": 1}
