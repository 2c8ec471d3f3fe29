"""What must hold of flights and weather: measured on all 365 days of 2013.

Plain Great Expectations. `_interval` is the cell (here: the day) a row belongs to, so that a check can be asked for each day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import great_expectations as gx
import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Column

from gyre.specs import Interval, cell_key
from use_cases.flight_delay.use_case import flight_delay

CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]
ORIGINS = ["EWR", "JFK", "LGA"]
QUARANTINE = {"on_failure": "quarantine"}
WARN = {"on_failure": "warn"}

# Fewest and most flights a day, Monday to Sunday, with 5 % to spare: 20 % that are silently missing are seen on all but holidays.
FLIGHTS_A_DAY = [(860, 1060), (720, 1055), (680, 1070), (600, 1060), (625, 1055), (640, 905), (680, 1040)]
# By month: three quarters of a day's temperatures or more were above this in Fahrenheit on every day, and a fifth would be in Celsius.
FAHRENHEIT = [13, 16, 21, 29, 39, 45, 50, 48, 43, 35, 22, 20]


def suites(interval: Interval) -> dict[str, gx.ExpectationSuite]:
    """Give the suites for an interval."""
    return {
        "flights": gx.ExpectationSuite(name="flights", expectations=[*_flights(), *_flights_each_day(interval)]),
        "planes": gx.ExpectationSuite(
            name="planes",
            expectations=[gxe.ExpectColumnValuesToBeUnique(column="tailnum"), gxe.ExpectTableRowCountToBeBetween(min_value=3000)],
        ),
        "weather": gx.ExpectationSuite(name="weather", expectations=[*_weather(), *_weather_each_day(interval)]),
        "arrivals": gx.ExpectationSuite(
            name="arrivals",
            expectations=[
                # Without them every rolling delay would be missing: the interval has to wait until the topic has caught up.
                gxe.ExpectTableRowCountToBeBetween(min_value=250 * round((interval.end - interval.start) / timedelta(days=1))),
                gxe.ExpectColumnValuesToBeBetween(column="arr_delay", min_value=-120, max_value=1500, meta=WARN),
                gxe.ExpectColumnMeanToBeBetween(column="cancelled", max_value=0.25, meta=WARN),
            ],
        ),
        "features": gx.ExpectationSuite(
            name="features",
            expectations=[
                gxe.ExpectColumnValuesToNotBeNull(column="temp", mostly=0.9, meta=WARN),
                gxe.ExpectColumnValuesToNotBeNull(column="origin_delay_24h", mostly=0.9, meta=WARN),
                gxe.ExpectColumnValuesToBeBetween(column="plane_age", min_value=0, max_value=60, mostly=0.99, meta=WARN),
            ],
        ),
    }


def _flights() -> Iterator[gxe.Expectation]:
    yield gxe.ExpectColumnValuesToBeUnique(column="flight_id")
    yield gxe.ExpectCompoundColumnsToBeUnique(column_list=["carrier", "flight", "origin", "_interval"])
    yield gxe.ExpectColumnValuesToBeInSet(column="carrier", value_set=CARRIERS)
    yield gxe.ExpectColumnValuesToMatchRegex(column="dest", regex=r"^[A-Z]{3}$")
    yield gxe.ExpectColumnValuesToNotBeNull(column="tailnum", mostly=0.95, meta=WARN)
    yield gxe.ExpectColumnValuesToBeBetween(column="distance", min_value=10, max_value=5000)
    yield gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="scheduled_arrival", column_B="scheduled_departure")
    yield gxe.ExpectColumnDistinctValuesToEqualSet(column="origin", value_set=ORIGINS)
    yield gxe.ExpectColumnMeanToBeBetween(column="distance", min_value=950, max_value=1160)


def _flights_each_day(interval: Interval) -> Iterator[gxe.Expectation]:
    for day, local in _days(interval):
        fewest, most = FLIGHTS_A_DAY[local.weekday()]
        yield gxe.ExpectTableRowCountToBeBetween(min_value=fewest, max_value=most, row_condition=Column("_interval") == day)


def _weather() -> Iterator[gxe.Expectation]:
    yield gxe.ExpectCompoundColumnsToBeUnique(column_list=["origin", "time_hour"])  # local hours are not: summer time ends
    yield gxe.ExpectColumnValuesToBeInSet(column="origin", value_set=ORIGINS)
    yield gxe.ExpectColumnValuesToBeBetween(column="wind_speed", min_value=0, max_value=100, meta=QUARANTINE)
    yield gxe.ExpectColumnValuesToBeBetween(column="humid", min_value=0, max_value=100, meta=QUARANTINE)
    yield gxe.ExpectColumnValuesToBeBetween(column="temp", min_value=-20, max_value=115, meta=QUARANTINE)
    yield gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="temp", column_B="dewp", or_equal=True, ignore_row_if="either_value_is_missing")


def _weather_each_day(interval: Interval) -> Iterator[gxe.Expectation]:
    for day, local in _days(interval):
        yield gxe.ExpectColumnValuesToBeBetween(column="temp", min_value=FAHRENHEIT[local.month - 1], mostly=0.5, row_condition=Column("_interval") == day)
        yield gxe.ExpectTableRowCountToBeBetween(min_value=68, max_value=75, row_condition=Column("_interval") == day, meta=WARN)


def _days(interval: Interval) -> Iterator[tuple[str, datetime]]:
    """Give each day as rows name it, and its local date."""
    schedule = flight_delay.schedule
    for cell in schedule.grid.cells(interval):
        yield cell_key(cell.start), cell.start.astimezone(schedule.zone)
