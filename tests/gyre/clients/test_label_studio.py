"""What of the client needs no server; the rest is in tests/integration/test_label_studio.py."""

import json

import jwt
import pytest

from gyre.clients.label_studio import Guess, LabelStudio, NewTask, chunks, title_of
from gyre.clients.label_studio_server import Server
from gyre.connections import Connection
from gyre.errors import LabelStudioRefused, LabelStudioUnreachable

NOWHERE = Connection("gyre_labelstudio", "http", "127.0.0.1", 9, password="0" * 40)
CHOICES = '<View><Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'


def tasks(count: int, letters: int = 1) -> list[NewTask]:
    return [NewTask(f"k{i}", {"text": "x" * letters}) for i in range(count)]


def test_chunks_are_limited_by_count():
    assert [len(chunk) for chunk in chunks(tasks(7), most=3)] == [3, 3, 1]


def test_chunks_are_limited_by_bytes_and_keep_the_order():
    given = tasks(10, letters=100)
    cut = list(chunks(given, most_bytes=500))
    assert [task for chunk in cut for task in chunk] == given
    assert all(len(json.dumps([task.body() for task in chunk])) <= 500 for chunk in cut)
    assert len(cut) < 10


def test_a_task_larger_than_a_chunk_goes_alone():
    assert [len(chunk) for chunk in chunks([*tasks(1), *tasks(1, letters=1000), *tasks(1)], most_bytes=500)] == [1, 1, 1]


def test_no_tasks_are_no_chunks():
    assert list(chunks([])) == []


def test_a_task_carries_its_key_and_says_whose_guess_it_shows():
    body = NewTask("k", {"text": "x"}, Guess([{"from_name": "c"}], 0.5, "digits 3")).body()
    assert body["data"] == {"text": "x", "gyre_key": "k"}
    assert body["predictions"] == [{"result": [{"from_name": "c"}], "score": 0.5, "model_version": "champion"}]
    assert body["meta"] == {"guessed_by": "digits 3"}


def test_a_title_has_at_most_50_characters_and_differs_when_the_name_does():
    long = "a" * 60
    assert title_of("digits") == "gyre: digits"
    assert len(title_of(long)) == 50
    assert title_of(long) != title_of(long + "a")


def test_a_config_that_parses_is_taken():
    LabelStudio(Server(NOWHERE)).check_config(CHOICES)


@pytest.mark.parametrize(
    ("config", "word"),
    [("<View><Text", "Couldn't find end of Start Tag"), (CHOICES.replace('toName="t"', 'toName="other"'), "other")],
)
def test_a_config_that_does_not_is_refused_with_the_parsers_word(config, word):
    with pytest.raises(LabelStudioRefused, match=word):
        LabelStudio(Server(NOWHERE)).check_config(config)


def test_a_server_that_is_not_there_may_be_there_later(monkeypatch):
    monkeypatch.setattr("gyre.clients.label_studio_server.WAITS", ())
    with pytest.raises(LabelStudioUnreachable, match=r"http://127.0.0.1:9 \(connection 'gyre_labelstudio'\) cannot be asked to ask whose token"):
        LabelStudio(Server(NOWHERE)).token()


def test_an_expired_personal_access_token_is_refused_before_anything_is_asked():
    expired = jwt.encode({"exp": 1, "token_type": "refresh"}, "x" * 32)
    server = Server(Connection("gyre_labelstudio", "http", "127.0.0.1", 9, password=expired))
    with pytest.raises(LabelStudioRefused, match=r"does not let the personal access token .* \(401: .*expired.*Fix: sign in"):
        server.token()


def test_a_connection_without_a_token_is_refused():
    with pytest.raises(LabelStudioRefused, match=r"'gyre_labelstudio' has no token\. Fix: sign in at http://127.0.0.1:9/user/account"):
        Server(Connection("gyre_labelstudio", "http", "127.0.0.1", 9)).token()
