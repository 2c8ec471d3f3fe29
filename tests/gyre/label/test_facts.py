"""Facts that come later meet the rows they are about."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest

from gyre.errors import NothingToDo, SourceUnreadable
from gyre.label.decide import open_window
from gyre.label.facts import join_facts
from gyre.lake import Lake
from gyre.specs import Facts, Features, Interval, Promotion, Schedule, Topic, Training, UseCase, cell_key

START = datetime(2024, 1, 1, tzinfo=UTC)
TOPIC = Topic(connection="k", topic="facts", event_time="at", fields={"id": "string", "y": "integer?", "at": "timestamp"})


def day(number: int) -> datetime:
    return START + timedelta(days=number - 1)


def days(first: int, last: int) -> Interval:
    return Interval(day(first), day(last) + timedelta(days=1))


@pytest.fixture
def use_case() -> UseCase:
    return UseCase(
        name="small",
        task="binary",
        keys=["id"],
        event_time="at",
        sources={"facts": TOPIC},
        schedule=Schedule(start=START),
        features=Features(function="use_cases.small.code:features", numeric=["x"]),
        expectations="use_cases.small.code:suites",
        labels=Facts(source="facts", function="use_cases.small.code:labels", horizon=timedelta(days=3)),
        training=Training(function="use_cases.small.code:train"),
        promotion=Promotion(metric="log_loss"),
    )


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(f"file://{tmp_path}", {})


def publish(use_case: UseCase, lake: Lake, first: int, last: int, x: float = 1.0) -> None:
    numbers = list(range(first, last + 1))
    rows = pa.table(
        {"id": [str(n) for n in numbers], "at": [day(n) for n in numbers], "x": [x] * len(numbers), "_interval": [cell_key(day(n)) for n in numbers]}
    )
    lake.replace("validated", rows, days(first, last), use_case.schedule.grid, transaction="publish", version=1)


def arrive(lake: Lake, *facts: tuple[int, int | None]) -> None:
    from deltalake import write_deltalake

    table = lake.table("sources", "facts")
    offset = table.to_pyarrow_table().num_rows if table else 0
    rows = {
        "id": [str(number) for number, _ in facts],
        "y": pa.array([y for _, y in facts], pa.int64()),
        "at": [day(number) for number, _ in facts],
        "_epoch": pa.array([0] * len(facts), pa.int32()),
        "_partition": pa.array([0] * len(facts), pa.int32()),
        "_offset": list(range(offset, offset + len(facts))),
        "_interval": [cell_key(day(number)) for number, _ in facts],
    }
    write_deltalake(lake.uri("sources", "facts"), pa.table(rows), mode="append", partition_by=["_interval"])


def labels(events: pd.DataFrame) -> pd.DataFrame:
    known = events[events["y"].notna()]
    return pd.DataFrame({"id": known["id"], "label": known["y"].astype(int), "labelled_at": known["at"]})


def labelled(lake: Lake) -> dict[str, int]:
    table = lake.table("labelled")
    return {row["id"]: row["label"] for row in table.to_pyarrow_table().to_pylist()} if table else {}


def test_what_has_not_arrived_stays_out_and_is_picked_up_later(use_case, lake):
    publish(use_case, lake, 1, 3)
    arrive(lake, (1, 0), (2, None))
    assert join_facts(use_case, use_case.labels, days(1, 3), lake, labels).labelled == 1
    arrive(lake, (3, 1))
    joined = join_facts(use_case, use_case.labels, days(1, 3), lake, labels)
    assert labelled(lake) == {"1": 0, "3": 1}
    assert [cell.start for cell in joined.changed] == [day(3)]


def test_a_correction_replaces_and_touches_no_other_cell(use_case, lake):
    publish(use_case, lake, 1, 3)
    arrive(lake, (1, 0), (2, 0), (3, 0))
    join_facts(use_case, use_case.labels, days(1, 3), lake, labels)
    arrive(lake, (2, 1))
    joined = join_facts(use_case, use_case.labels, days(1, 3), lake, labels)
    assert labelled(lake) == {"1": 0, "2": 1, "3": 0}
    assert [cell.start for cell in joined.changed] == [day(2)]


def test_running_it_again_writes_nothing(use_case, lake):
    publish(use_case, lake, 1, 3)
    arrive(lake, (1, 0), (2, 0))
    first = join_facts(use_case, use_case.labels, days(1, 3), lake, labels)
    again = join_facts(use_case, use_case.labels, days(1, 3), lake, labels)
    assert (again.changed, again.version, again.labelled) == ([], first.version, 2)


def test_an_interval_that_was_published_anew_is_labelled_anew(use_case, lake):
    publish(use_case, lake, 1, 2)
    arrive(lake, (1, 0), (2, 0))
    join_facts(use_case, use_case.labels, days(1, 2), lake, labels)
    publish(use_case, lake, 2, 2, x=7.0)
    assert [cell.start for cell in join_facts(use_case, use_case.labels, days(1, 2), lake, labels).changed] == [day(2)]


def test_a_label_function_that_forgets_a_column_is_told_which(use_case, lake):
    publish(use_case, lake, 1, 1)
    arrive(lake, (1, 0))
    with pytest.raises(SourceUnreadable, match="returned no column 'labelled_at'"):
        join_facts(use_case, use_case.labels, days(1, 1), lake, lambda events: labels(events).drop(columns="labelled_at"))


def test_the_window_reaches_one_horizon_back_and_to_whatever_was_never_looked_at(use_case, lake):
    publish(use_case, lake, 1, 10)
    assert open_window(use_case, use_case.labels, lake, day(20)) == days(1, 10)
    arrive(lake, *[(n, 0) for n in range(1, 10)])
    join_facts(use_case, use_case.labels, days(1, 10), lake, labels)
    assert open_window(use_case, use_case.labels, lake, day(20)) == days(8, 10)


def test_a_cell_that_never_gets_a_label_is_given_up_after_the_horizon(use_case, lake):
    publish(use_case, lake, 1, 10)
    arrive(lake, (9, 0))
    join_facts(use_case, use_case.labels, days(1, 10), lake, labels)
    assert open_window(use_case, use_case.labels, lake, day(20)) == days(8, 10)


def test_before_anything_is_published_there_is_nothing_to_label(use_case, lake):
    with pytest.raises(NothingToDo, match="no interval is published yet"):
        open_window(use_case, use_case.labels, lake, day(20))
