"""Will this flight out of New York land 15 minutes late or more? Asked 60 minutes before its scheduled departure."""

from datetime import datetime, timedelta

from gyre.specs import Facts, Features, Monitoring, Objects, Promotion, Rule, Schedule, Table, Topic, Training, UseCase

flight_delay = UseCase(
    name="flight_delay",
    description="Probability that a flight out of New York lands 15 minutes late or more, 60 minutes before it is to depart.",
    owner="airline-operations",
    environment="tabular",
    task="binary",
    keys=["flight_id"],
    event_time="scheduled_departure",
    sources={
        "flights": Table(connection="company_db", table="flights", watermark="scheduled_departure"),
        "planes": Table(connection="company_db", table="planes"),
        "weather": Objects(connection="company_bucket", uri="s3://company/weather/{start:%Y-%m-%d}.parquet", event_time="time_hour"),
        "arrivals": Topic(
            connection="company_kafka",
            topic="arrivals",
            event_time="known_at",
            fields={
                "flight_id": "string",
                "carrier": "string",
                "origin": "string",
                "dest": "string",
                "scheduled_departure": "timestamp",
                "departed_at": "timestamp?",
                "landed_at": "timestamp?",
                "dep_delay": "number?",
                "arr_delay": "number?",
                "cancelled": "boolean",
                "known_at": "timestamp",
            },
        ),
    },
    schedule=Schedule(
        cron="0 6 * * *",
        timezone="America/New_York",
        start=datetime(2013, 1, 1),  # noqa: DTZ001 - an instant without an offset is in the schedule's time zone
        end=datetime(2014, 1, 1),  # noqa: DTZ001
        interval=timedelta(days=1),
        lookback=timedelta(days=2),
    ),
    features=Features(
        function="use_cases.flight_delay.features:features",
        numeric=[
            *("departure_hour", "departure_minute", "day_of_week", "distance", "departures_in_hour"),
            *("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"),
            *("plane_age", "plane_seats"),
            *("origin_delay_1h", "origin_delay_3h", "origin_delay_24h", "origin_late_3h", "origin_departure_delay_3h", "origin_landed_3h"),
            *("carrier_delay_3h", "carrier_delay_24h", "carrier_late_3h", "carrier_late_24h"),
            *("route_delay_24h", "network_delay_1h", "network_cancelled_6h"),
        ],
        categorical=["carrier", "origin", "dest"],
    ),
    expectations="use_cases.flight_delay.expectations:suites",
    labels=Facts(source="arrivals", function="use_cases.flight_delay.labels:late_arrivals"),
    training=Training(
        function="use_cases.flight_delay.training:train",
        baselines="use_cases.flight_delay.training:baselines",
        parameters={"max_depth": 5, "min_child_weight": 100, "n_estimators": 200, "learning_rate": 0.05, "subsample": 0.8, "colsample_bytree": 0.5},
        validation=timedelta(days=7),
        min_rows=5000,
        timeout=timedelta(hours=1),
    ),
    promotion=Promotion(
        metric="log_loss",
        rule="better",
        min_rows=1000,
        block=timedelta(days=1),
        max_gap=0.05,
        max_calibration_error=0.15,
    ),
    monitoring=Monitoring(
        rules=[
            Rule(name="calibration", statistic="calibration_gap", threshold=0.06, min_rows=3000, k=3, n=3, cool_down=timedelta(days=7), action="alarm"),
            Rule(name="prediction_drift", statistic="prediction_psi", threshold=0.5, min_rows=1000),
            Rule(name="feature_drift", statistic="feature_psi", threshold=0.2, min_rows=1000),
        ]
    ),
)
