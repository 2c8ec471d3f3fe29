import json

import pytest

from gyre.deploy.context import describe
from gyre.serving.rows import Refused, RowReader
from tests.gyre.deploy.spec import use_case

READER = RowReader(describe(use_case(), 3))
ROW = {"n0": 1.5, "n1": None, "c0": "a"}


def refused(body):
    with pytest.raises(Refused) as caught:
        READER.read(body if isinstance(body, bytes) else json.dumps(body).encode())
    return caught.value.status, caught.value.body["error"]


def test_a_good_row_is_read_as_it_was_sent():
    row = {**ROW, "id": 7, "at": "2013-01-01T00:00:00Z"}
    assert READER.read(json.dumps({"rows": [row]}).encode()) == [row]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({**ROW, "n0": "x"}, "Row 1, field 'n0': expected a number or null; got a text: \"x\"."),
        ({**ROW, "n0": True}, "Row 1, field 'n0': expected a number or null; got a boolean: true."),
        ({**ROW, "c0": 3}, "Row 1, field 'c0': expected a text or null; got a number: 3."),
        ({"n0": 1, "n1": 2}, "Row 1, field 'c0': expected a text or null; got nothing: the field is missing."),
        ({**ROW, "nn0": 1}, "Row 1, field 'nn0': expected one of the model's fields. Did you mean 'n0'?"),
        ([1], "Row 1: expected an object {field: value, ...}; got a list: [1]."),
    ],
)
def test_a_bad_row_is_refused_with_its_index_and_field(row, error):
    status, text = refused({"rows": [ROW, row]})
    assert status == 422
    assert text.startswith(error)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"rows", 400, "The body is not JSON"),
        (b'{"rows": [{"n0": NaN}]}', 400, "NaN is not JSON; write null"),
        (b'{"rows": [{"n0": 1e999, "n1": 1, "c0": ""}]}', 422, "field 'n0'"),
        ([ROW], 400, "it is a list"),
        ({"row": [ROW]}, 400, "without 'rows', with ['row']"),
        ({"rows": {}}, 400, "whose 'rows' is no list"),
        ({"rows": []}, 400, "'rows' is empty"),
        ({"rows": [ROW] * 1001}, 413, "1001 rows are too many for one request: send at most 1000."),
        (b"[" * 100_000, 400, "The body is not JSON"),
        (b"\xff\xfe", 400, "The body is not JSON"),
    ],
)
def test_a_bad_body_is_refused_in_words(body, status, error):
    found, text = refused(body)
    assert found == status
    assert error in text


def test_at_most_ten_problems_are_listed():
    with pytest.raises(Refused) as caught:
        READER.read(json.dumps({"rows": [{}] * 500}).encode())
    assert len(caught.value.body["problems"]) == 10
