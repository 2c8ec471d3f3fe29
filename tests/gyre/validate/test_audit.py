"""What the checks let pass, hold back and block."""

from datetime import UTC, datetime

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gyre.errors import InvalidUseCase, SourceUnreadable
from gyre.lake import Lake
from gyre.specs import Features, Interval
from gyre.specs.ingest_messages import AuditRequest, AuditResult, SourceExtract
from gyre.validate.audit import audit
from gyre.validate.decide import blocked_text

DAY = Interval.parse("2024-01-01", "2024-01-02")
QUARANTINE = {"on_failure": "quarantine"}


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(f"file://{tmp_path}", {})


def features(sources: dict[str, pd.DataFrame], interval: Interval) -> pd.DataFrame:
    return sources["facts"][["id", "at", "x"]]


def run(use_case, lake: Lake, values: list[float | None], *expectations, of_features=(), function=features) -> AuditResult:
    at = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in range(len(values))]
    rows = pa.table({"id": [f"id{i}" for i in range(len(values))], "at": at, "x": values, "_interval": ["2024-01-01T00:00:00Z"] * len(values)})
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    lake.objects.write(lake.uri("facts.parquet"), sink.getvalue().to_pybytes())

    def suites(interval: Interval) -> dict:
        return {
            "facts": gx.ExpectationSuite(name="facts", expectations=list(expectations)),
            "features": gx.ExpectationSuite(name="features", expectations=list(of_features)),
        }

    return audit(use_case, DAY, [SourceExtract(source="facts", uri=lake.uri("facts.parquet"), rows=len(values))], lake, "job", suites, function)


def staged(lake: Lake, uri: str | None) -> list[dict]:
    assert uri
    return pq.read_table(pa.BufferReader(lake.objects.read(uri))).to_pylist()


def test_rows_that_fail_a_quarantine_check_are_held_back_with_the_reason_and_the_rest_goes_on(use_case, lake):
    result = run(use_case, lake, [1, 2, 1048, 4], gxe.ExpectColumnValuesToBeBetween(column="x", max_value=100, meta=QUARANTINE))
    assert (result.blocked, result.rows, result.quarantined) == (False, 3, 1)
    assert [row["x"] for row in staged(lake, result.sources["facts"])] == [1, 2, 4]
    (held,) = staged(lake, result.held_back)
    assert held["source"] == "facts"
    assert "expect_column_values_to_be_between on x (max_value 100" in held["reason"]
    assert '"x": 1048' in held["row"]
    assert held["_interval"] == "2024-01-01T00:00:00Z"


def test_a_check_that_says_nothing_else_blocks_and_nothing_is_staged(use_case, lake):
    result = run(use_case, lake, [1, 2, 1048, 4], gxe.ExpectColumnValuesToBeBetween(column="x", max_value=3))
    assert (result.blocked, result.sources, result.features, result.rows) == (True, {}, None, 0)


def test_a_warning_publishes_everything_and_is_told(use_case, lake):
    result = run(use_case, lake, [1, 1048], gxe.ExpectColumnValuesToBeBetween(column="x", max_value=3, meta={"on_failure": "warn"}))
    assert (result.blocked, result.rows, [check.action for check in result.checks]) == (False, 2, ["warn"])


def test_a_check_of_the_whole_table_cannot_quarantine_and_blocks(use_case, lake):
    assert run(use_case, lake, [1.0], gxe.ExpectTableRowCountToBeBetween(min_value=5, meta=QUARANTINE)).blocked


def test_features_are_checked_too(use_case, lake):
    result = run(use_case, lake, [1, 2, 1048], of_features=[gxe.ExpectColumnValuesToBeBetween(column="x", max_value=100, meta=QUARANTINE)])
    assert (result.rows, result.quarantined, result.checks[0].source) == (2, 1, "features")


def test_an_expectation_that_cannot_be_asked_is_a_fault_and_no_bad_data(use_case, lake):
    with pytest.raises(SourceUnreadable, match=r"(?s)on 'facts' cannot be asked: .*nope.*Its columns are \['id', 'at', 'x'\]"):
        run(use_case, lake, [1.0], gxe.ExpectColumnValuesToNotBeNull(column="nope"))


def test_an_unknown_consequence_names_those_that_exist(use_case, lake):
    with pytest.raises(InvalidUseCase, match=r"on_failure 'warning' of expect_column_values_to_not_be_null on 'facts'. Did you mean 'warn'"):
        run(use_case, lake, [1.0], gxe.ExpectColumnValuesToNotBeNull(column="x", meta={"on_failure": "warning"}))


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda s, i: features(s, i).rename(columns={"x": "xx"}), "returned no column 'x'. Did you mean 'xx'"),
        (lambda s, i: pd.concat([features(s, i)] * 2), "4 rows whose key is not unique, such as"),
        (lambda s, i: features(s, i).assign(at=pd.Timestamp("2024-01-05", tz="UTC")), "2 rows whose event time is not in"),
        (lambda s, i: features(s, i).assign(at=pd.Timestamp("2024-01-01")), "return instants with a time zone"),
        (lambda s, i: features(s, i).assign(id=None), "2 rows without a key"),
        (lambda s, i: None, "must return a pandas DataFrame, it returned NoneType"),
    ],
)
def test_a_feature_function_that_returns_something_else_is_told_what_and_how_to_mend_it(use_case, lake, function, text):
    with pytest.raises(SourceUnreadable, match=text):
        run(use_case, lake, [1.0, 2.0], function=function)


def test_a_blocked_interval_names_source_columns_counts_five_examples_the_page_and_the_cure(use_case, lake):
    result = run(use_case, lake, [float(i) for i in range(9)], gxe.ExpectColumnValuesToBeBetween(column="x", max_value=1))
    asked = AuditRequest(job="audit", job_id="j", use_case="small", environment="tabular", connections=[], start=DAY.start, end=DAY.end, extracts=[])
    text = blocked_text(use_case, asked, result)
    assert "facts.x: expect_column_values_to_be_between, observed 7 of 9 rows (expected: max_value 1" in text
    assert text.count("for example") == 5
    assert "for example x=2, id=id2" in text
    assert result.page in text
    assert "trigger 'small__ingest' again with start=2024-01-01T00:00:00+00:00 and end=2024-01-02T00:00:00+00:00" in text


def test_the_page_works_offline_and_shows_values_as_they_are(use_case, lake):
    result = run(use_case, lake, [1, 1048], gxe.ExpectColumnValuesToBeBetween(column="x", max_value=3))
    page = lake.objects.read(result.page).decode()
    assert "Blocked: nothing of this interval is published." in page
    assert "x=1048" in page
    assert not any(outside in page for outside in ("http://", "https://", "<script", "<link"))


@pytest.fixture
def pictures(use_case):
    features = Features(function="use_cases.small.code:features", numeric=["x"], binary=["picture"], carried=["uri"])
    return use_case.model_copy(update={"features": features})


def with_pictures(sources: dict[str, pd.DataFrame], interval: Interval) -> pd.DataFrame:
    rows = features(sources, interval)
    return rows.assign(
        picture=pd.Series([b"\x89PNG" * 100 + bytes([i]) for i in range(len(rows))], dtype="object"), uri=["s3://x/0.png", None, *rows["id"][2:]]
    )


def test_bytes_and_carried_texts_are_kept_and_suites_still_run(pictures, lake):
    checks = [gxe.ExpectColumnValuesToNotBeNull(column="picture"), gxe.ExpectColumnValuesToBeBetween(column="x", max_value=100, meta=QUARANTINE)]
    result = run(pictures, lake, [1, 2, 1048], of_features=checks, function=with_pictures)
    assert (result.blocked, result.rows, result.quarantined) == (False, 2, 1)
    rows = staged(lake, result.features)
    assert [row["picture"][-1] for row in rows] == [0, 1]
    assert [row["uri"] for row in rows] == ["s3://x/0.png", None]
    (held,) = staged(lake, result.held_back)
    assert '"picture": "401 bytes, sha256 ' in held["row"]
    assert "PNG" not in held["row"] + result.checks[0].examples[0]


def test_missing_bytes_block_with_the_columns_name(pictures, lake):
    def without(sources: dict[str, pd.DataFrame], interval: Interval) -> pd.DataFrame:
        rows = with_pictures(sources, interval)
        rows.loc[1, "picture"] = None
        return rows

    with pytest.raises(SourceUnreadable, match=r"'picture' is binary in the spec; 1 of 2 rows hold no bytes, row 1 holds nothing"):
        run(pictures, lake, [1, 2], function=without)


def test_a_carried_column_that_is_not_returned_is_named(pictures, lake):
    with pytest.raises(SourceUnreadable, match=r"returned no column 'uri'"):
        run(pictures, lake, [1, 2], function=lambda s, i: with_pictures(s, i).drop(columns="uri"))
