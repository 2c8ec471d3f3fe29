"""Secrets are made once, for their owner alone."""

import json

import pytest

from gyre.errors import StackError
from gyre.stack import secrets


def test_a_second_start_keeps_the_secrets_of_the_first(tmp_path):
    file = tmp_path / "secrets.json"
    first = secrets.load_or_create(file)
    assert secrets.load_or_create(file) == first
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_a_newer_version_needs_is_added_and_the_others_stay(tmp_path):
    file = tmp_path / "secrets.json"
    first = secrets.load_or_create(file)
    given = json.loads(file.read_text())
    del given["airflow_jwt"]
    file.write_text(json.dumps(given | {"of_an_older_version": "x"}))
    second = secrets.load_or_create(file)
    assert len(second.airflow_jwt) >= 64
    assert second.airflow_jwt != first.airflow_jwt
    assert second.s3_secret == first.s3_secret


def test_two_stacks_share_no_secret(tmp_path):
    one, other = (secrets.load_or_create(tmp_path / name) for name in ("one", "other"))
    assert not set(vars(one).values()) & set(vars(other).values())


def test_secrets_do_not_show_in_a_repr(tmp_path):
    made = secrets.load_or_create(tmp_path / "secrets.json")
    assert made.s3_secret not in repr(made)


def test_asking_a_stack_that_was_never_started_says_how_to_start_it(tmp_path):
    with pytest.raises(StackError, match="make up"):
        secrets.load(tmp_path / "secrets.json")
