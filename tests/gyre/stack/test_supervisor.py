"""What the supervisor is told."""

from pathlib import Path

import pytest
from supervisor.datatypes import dict_of_key_value_pairs

from gyre.errors import StackError
from gyre.layout import LONGEST_SOCKET_PATH, Layout
from gyre.stack.component import Program
from gyre.stack.supervisor import render


def rendered(program: Program) -> dict[str, str]:
    text = render("one", program, Layout(Path("/a folder/.gyre")))
    return dict(line.split("=", 1) for line in text.splitlines()[1:])


def test_supervisor_reads_the_values_that_were_given():
    given = {"URI": "postgresql://a:b@c/d?x=1,y#z", "USERS": "admin:ADMIN,viewer:VIEWER", "JSON": '{"a": "b"}', "SPACE": "a b"}
    assert dict_of_key_value_pairs(rendered(Program(("x",), Path("/"), given))["environment"]) == given


def test_percent_signs_are_not_taken_for_supervisors_own_placeholders():
    assert rendered(Program(("x", "100%"), Path("/"), {"A": "50%"}))["command"] == "x 100%%"


def test_a_command_with_spaces_stays_one_word():
    assert rendered(Program(("/a folder/bin/python", "-m", "x"), Path("/")))["command"] == "'/a folder/bin/python' -m x"


def test_a_value_that_supervisor_cannot_hold_is_refused():
    with pytest.raises(StackError, match="both kinds of quotes"):
        rendered(Program(("x",), Path("/"), {"A": "'\""}))


def test_a_socket_path_that_would_be_too_long_moves_to_the_temporary_folder():
    short, long = Layout(Path("/home/me/.gyre")), Layout(Path("/home") / ("x" * 120))
    assert short.supervisor_socket.parent == short.supervisor
    assert len(str(long.supervisor_socket)) <= LONGEST_SOCKET_PATH
    assert long.supervisor_socket != Layout(Path("/home") / ("y" * 120)).supervisor_socket
