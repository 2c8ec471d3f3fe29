"""JSON messages, good and bad."""

import json
from datetime import UTC, datetime

import pytest

from gyre.clients.kafka import Record
from gyre.ingest.messages import parse

FIELDS = {"id": "string", "at": "timestamp", "count": "integer?", "size": "number?", "ok": "boolean?"}
GOOD = {"id": "a", "at": "2013-01-01T10:00:00Z", "count": 3, "size": 1.5, "ok": True, "more": "ignored"}


def records(*messages: object) -> list[Record]:
    return [Record(0, offset, m if isinstance(m, bytes | None) else json.dumps(m).encode()) for offset, m in enumerate(messages)]


def test_good_messages_become_typed_rows_that_know_where_they_lay():
    rows, rejected = parse(records(GOOD, GOOD | {"count": None}), FIELDS)
    assert rejected == []
    assert rows.to_pylist()[1] == {"id": "a", "at": datetime(2013, 1, 1, 10, tzinfo=UTC), "count": None, "size": 1.5, "ok": True, "_partition": 0, "_offset": 1}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b'{"id": "a", "at": "2013-', "not JSON"),
        (b"[1, 2]", "not a JSON object but list"),
        (None, "empty message"),
        ({"at": GOOD["at"]}, "field 'id' is missing"),
        (GOOD | {"id": None}, "field 'id' is missing"),
        (GOOD | {"id": 7}, "field 'id' is 7, which is no string"),
        (GOOD | {"count": 1.5}, "field 'count' is 1.5, which is no integer"),
        (GOOD | {"count": "3"}, "field 'count' is \"3\", which is no integer"),
        (GOOD | {"ok": "yes"}, "field 'ok' is \"yes\", which is no boolean"),
        (GOOD | {"at": "yesterday"}, "field 'at' is \"yesterday\", which is no timestamp"),
    ],
)
def test_a_bad_message_is_set_aside_with_its_reason_and_the_others_stay(message, reason):
    rows, rejected = parse(records(GOOD, message, GOOD), FIELDS)
    assert rows["_offset"].to_pylist() == [0, 2]
    assert [(r.record.offset, reason in r.reason) for r in rejected] == [(1, True)]


def test_one_bad_message_among_many_is_found_and_the_order_is_kept():
    messages: list[object] = [GOOD | {"id": str(i)} for i in range(1000)]
    messages[700] = b"{"
    rows, rejected = parse(records(*messages), FIELDS)
    assert rows["id"].to_pylist() == [str(i) for i in range(1000) if i != 700]
    assert [r.record.offset for r in rejected] == [700]


def test_a_message_of_several_lines_is_one_message():
    rows, rejected = parse(records(json.dumps(GOOD, indent=2).encode(), GOOD), FIELDS)
    assert rows.num_rows == 2
    assert rejected == []


def test_an_instant_may_be_milliseconds_or_have_another_offset():
    rows, _ = parse(records(GOOD | {"at": 1357034400000}, GOOD | {"at": "2013-01-01T05:00:00-05:00"}), FIELDS)
    assert rows["at"].to_pylist() == [datetime(2013, 1, 1, 10, tzinfo=UTC)] * 2
