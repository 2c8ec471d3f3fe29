from pathlib import Path

import pytest

from gyre.clients.supervisor import Program, Supervisor
from gyre.errors import StackError


def program(**changed):
    given = {
        "name": "toy-3",
        "command": ("/opt/my python", "-m", "bentoml", "100%"),
        "directory": Path("/srv/toy"),
        "environment": {"A": "1,2", "B": 'say "hi"'},
        "log": Path("/srv/toy.log"),
        "facts": {"use_case": "toy", "version": 3, "port": 28900},
    }
    return Program(**{**given, **changed})


def test_facts_are_read_back_from_the_program_file(tmp_path):
    (tmp_path / "toy-3.conf").write_text(program().render())
    assert Supervisor(tmp_path / "none.sock", tmp_path).programs() == {"toy-3": {"use_case": "toy", "version": 3, "port": 28900}}


def test_a_file_of_somebody_else_is_not_ours(tmp_path):
    (tmp_path / "other.conf").write_text("[program:other]\ncommand=true\n")
    assert Supervisor(tmp_path / "none.sock", tmp_path).programs() == {}


def test_spaces_quotes_commas_and_percent_signs_survive():
    text = program().render()
    assert "command='/opt/my python' -m bentoml 100%%\n" in text
    assert """environment=A="1,2",B='say "hi"'\n""" in text


def test_what_cannot_be_quoted_is_refused():
    with pytest.raises(StackError, match="both kinds of quotes"):
        program(environment={"A": "\"'"}).render()


def test_a_supervisor_that_does_not_answer_is_named_with_the_cure(tmp_path):
    pytest.importorskip("supervisor")
    with pytest.raises(StackError, match=r"does not answer at .*none.sock.*Fix: `gyre up`"):
        Supervisor(tmp_path / "none.sock", tmp_path).states()
