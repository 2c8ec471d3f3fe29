import json
from datetime import UTC, datetime, timedelta

import pytest

from gyre.monitor import collect as collecting
from gyre.monitor.collect import ASIDE, PREDICTIONS, collect
from gyre.serving.ship import Shipper

pl = pytest.importorskip("polars")
deltalake = pytest.importorskip("deltalake")

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def logs(tmp_path, lake):
    rows = pl.DataFrame({"order_id": ["o"], "ordered_at": [NOON], "amount": [1.0], "country": ["de"], "_interval": ["2024-01-02T00:00:00Z"]})
    deltalake.write_deltalake(lake.uri("validated"), rows, partition_by=["_interval"])
    folder = tmp_path / "predictions" / "shop" / "1"
    folder.mkdir(parents=True)
    return folder


def line(number, **row):
    row = {"order_id": f"o{number}", "ordered_at": NOON.isoformat(), "amount": 2, "country": "de"} | row
    record = {"prediction_id": f"p{number}", "request_id": "r", "version": 1, "at": NOON.isoformat(), "row": row, "prediction": 0.25}
    return json.dumps(record) + "\n"


def write(file, *lines):
    with file.open("a") as opened:
        opened.write("".join(lines))


def held(lake, table=PREDICTIONS):
    found = lake.table(table)
    return pl.DataFrame() if found is None else pl.scan_delta(found).collect()


def test_rows_land_typed_and_in_their_cell(make_use_case, lake, logs):
    write(logs / "a.jsonl", line(1), line(2, amount=None, ordered_at="2024-01-03T00:00:00+01:00"))
    assert collect(make_use_case(), lake, logs.parent).rows == 2
    rows = held(lake).sort("prediction_id")
    assert rows["_interval"].to_list() == ["2024-01-02T00:00:00Z"] * 2
    assert rows["amount"].to_list() == [2.0, None]
    assert rows["ordered_at"].to_list()[1] == datetime(2024, 1, 2, 23, tzinfo=UTC)


def test_a_line_is_read_once_however_often_one_looks(make_use_case, lake, logs):
    write(logs / "a.jsonl", line(1))
    for _ in range(3):
        collect(make_use_case(), lake, logs.parent)
    write(logs / "a.jsonl", line(2))
    write(logs / "b.jsonl", line(3))
    assert collect(make_use_case(), lake, logs.parent).rows == 2
    assert held(lake)["prediction_id"].sort().to_list() == ["p1", "p2", "p3"]


def test_a_torn_last_line_waits_for_its_end(make_use_case, lake, logs):
    whole = line(2)
    write(logs / "a.jsonl", line(1), whole[:30])
    assert collect(make_use_case(), lake, logs.parent).rows == 1
    write(logs / "a.jsonl", whole[30:])
    assert collect(make_use_case(), lake, logs.parent).rows == 1
    assert held(lake, ASIDE).is_empty()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("not json\n", "Expecting value"),
        ("[1]\n", "no object with a 'row'"),
        (line(9, amount="much"), "'much' is no number"),
        (line(9, ordered_at=None), "ordered_at missing"),
        (line(9, ordered_at="yesterday"), "'yesterday' is no date"),
    ],
)
def test_a_line_that_cannot_be_used_is_kept_aside_with_its_reason_and_costs_no_other(make_use_case, lake, logs, bad, reason):
    write(logs / "a.jsonl", line(1), bad, line(2))
    for _ in range(2):
        collect(make_use_case(), lake, logs.parent)
    assert held(lake).height == 2
    aside = held(lake, ASIDE)
    assert aside["text"].to_list() == [bad]
    assert reason in aside["reason"][0]


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4])
def test_killed_between_any_two_commits_and_run_again_it_has_each_line_once(make_use_case, lake, logs, monkeypatch, killed_at):
    monkeypatch.setattr(collecting, "LINES_A_COMMIT", 3)
    write(logs / "a.jsonl", line(1), "bad\n", line(2), line(3), "worse\n", line(4))
    append, calls = collecting._append, []

    def dying(*given, **how):
        calls.append(1)
        if len(calls) == killed_at:
            raise KeyboardInterrupt
        append(*given, **how)

    monkeypatch.setattr(collecting, "_append", dying)
    with pytest.raises(KeyboardInterrupt):
        collect(make_use_case(), lake, logs.parent)
    monkeypatch.setattr(collecting, "_append", append)
    collect(make_use_case(), lake, logs.parent)
    assert held(lake)["prediction_id"].sort().to_list() == ["p1", "p2", "p3", "p4"]
    assert sorted(held(lake, ASIDE)["text"].to_list()) == ["bad\n", "worse\n"]


def test_nothing_is_collected_before_anything_was_published(make_use_case, lake, tmp_path):
    assert collect(make_use_case(), lake, tmp_path).rows == 0


def test_probabilities_of_several_classes_land_as_a_list(make_use_case, lake, logs):
    record = json.loads(line(1)) | {"prediction": [0.1, 0.9]}
    write(logs / "a.jsonl", json.dumps(record) + "\n")
    collect(make_use_case(task="multiclass"), lake, logs.parent)
    assert held(lake)["prediction"].to_list() == [[0.1, 0.9]]


def test_a_cell_is_a_day_of_local_time(make_use_case, lake, logs):
    write(logs / "a.jsonl", line(1, ordered_at=(NOON + timedelta(hours=14)).isoformat()))
    collect(make_use_case(timezone="America/New_York"), lake, logs.parent)
    assert held(lake)["_interval"].to_list() == ["2024-01-02T05:00:00Z"]


@pytest.fixture
def upload(lake, logs):
    """Upload what lies in the logs of version 1, as a pod does."""

    def once(pod="pod-a"):
        return Shipper(lake.objects, lake.root, 1, pod, logs).ship()

    return once


def test_what_a_pod_uploaded_is_collected_as_its_file_would_be(make_use_case, lake, logs, upload, tmp_path):
    for number in range(3):
        write(logs / "a.jsonl", line(number))
        upload()
        assert collect(make_use_case(), lake, tmp_path / "none").rows == 1
    assert collect(make_use_case(), lake, tmp_path / "none").rows == 0
    assert held(lake)["prediction_id"].sort().to_list() == ["p0", "p1", "p2"]
    assert lake.table(PREDICTIONS).transaction_version("log/1/pod-a-a.jsonl") == (logs / "a.jsonl").stat().st_size


def test_a_commit_may_end_in_the_middle_of_a_segment(make_use_case, lake, logs, upload, tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "LINES_A_COMMIT", 2)
    write(logs / "a.jsonl", *map(line, range(5)))
    upload()
    append, calls = collecting._append, []

    def dying(*given, **how):
        calls.append(1)
        if len(calls) == 4:  # the second commit of predictions
            raise KeyboardInterrupt
        append(*given, **how)

    monkeypatch.setattr(collecting, "_append", dying)
    with pytest.raises(KeyboardInterrupt):
        collect(make_use_case(), lake, tmp_path / "none")
    assert held(lake).height == 2
    monkeypatch.setattr(collecting, "_append", append)
    assert collect(make_use_case(), lake, tmp_path / "none").rows == 3
    assert held(lake)["prediction_id"].sort().to_list() == [f"p{n}" for n in range(5)]


def test_files_of_this_machine_and_logs_of_pods_are_read_side_by_side(make_use_case, lake, logs, upload):
    write(logs / "a.jsonl", line(1))
    upload()
    (logs / "a.jsonl").unlink()
    write(logs / "b.jsonl", line(2))
    assert collect(make_use_case(), lake, logs.parent).files == 2
    assert held(lake)["prediction_id"].sort().to_list() == ["p1", "p2"]


def test_collected_segments_may_go_if_the_newest_stays(make_use_case, lake, logs, upload, tmp_path):
    for number in range(2):
        write(logs / "a.jsonl", line(number))
        upload()
    collect(make_use_case(), lake, tmp_path / "none")
    lake.objects.delete(lake.uri("prediction_logs", "1", "pod-a-a", f"{0:020d}.jsonl"))
    write(logs / "a.jsonl", line(2))
    upload()
    assert collect(make_use_case(), lake, tmp_path / "none").rows == 1
    assert held(lake)["prediction_id"].sort().to_list() == ["p0", "p1", "p2"]


def test_segments_that_were_deleted_too_early_are_missed_in_words(make_use_case, lake, logs, upload, tmp_path, caplog):
    for number in range(2):
        write(logs / "a.jsonl", line(number))
        upload()
    lake.objects.delete(lake.uri("prediction_logs", "1", "pod-a-a", f"{0:020d}.jsonl"))
    assert collect(make_use_case(), lake, tmp_path / "none").rows == 1
    assert f"Bytes 0 to {len(line(0))} of the prediction log pod-a-a.jsonl are not in the lake" in caplog.text
