"""What an installation in containers begins with is written once and may be written again."""

import json
import stat

import pytest

from gyre.errors import StackError
from gyre.stack import prepare


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GYRE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GYRE_BIND_ADDRESS", "0.0.0.0")  # noqa: S104
    monkeypatch.setenv("AIRFLOW_PASSWORD_ADMIN", "a")
    monkeypatch.setenv("AIRFLOW_PASSWORD_VIEWER", "v")
    return tmp_path / "home"


def test_the_home_gets_what_router_supervisor_and_airflow_start_with(home):
    prepare.prepare_home()
    prepare.prepare_home()
    static = json.loads((home / "supervisor" / "envoy.json").read_text())
    assert static["static_resources"]["listeners"][0]["address"]["socket_address"]["address"] == "0.0.0.0"  # noqa: S104
    assert static["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"  # whoever reaches it may stop Envoy
    assert f"file={home}/supervisor/supervisor.sock" in (home / "supervisor" / "supervisord.conf").read_text()
    passwords = home / "airflow" / "passwords.json"
    assert json.loads(passwords.read_text()) == {"admin": "a", "viewer": "v"}
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600


def test_routes_that_are_there_stay(home):
    prepare.prepare_home()
    (home / "serving" / "envoy" / "rds.json").write_text('{"version_info": "5"}')
    prepare.prepare_home()
    assert (home / "serving" / "envoy" / "rds.json").read_text() == '{"version_info": "5"}'


def test_a_user_without_a_password_is_told(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW_PASSWORD_VIEWER", "")
    with pytest.raises(StackError, match=r"'viewer' has no password. Fix: set AIRFLOW_PASSWORD_VIEWER"):
        prepare.prepare_home()


def test_given_nothing_it_says_what_it_needs(home, monkeypatch):
    monkeypatch.delenv("GYRE_CONN_GYRE_JOURNAL", raising=False)
    monkeypatch.delenv("GYRE_CONN_POSTGRES_SUPERUSER", raising=False)
    with pytest.raises(StackError, match=r"Nothing to prepare. Fix: set GYRE_CONN_GYRE_JOURNAL"):
        prepare.main()


def test_each_password_asks_for_a_database(monkeypatch):
    made = []
    monkeypatch.setattr(prepare, "make_database", lambda *given: made.append(given))
    monkeypatch.setenv("GYRE_CONN_POSTGRES_SUPERUSER", '{"conn_type": "postgres", "host": "db", "login": "postgres", "password": "p", "schema": "postgres"}')
    monkeypatch.setenv("POSTGRES_PASSWORD_GYRE", "g")
    monkeypatch.setenv("POSTGRES_PASSWORD_MLFLOW", "")
    prepare.main()
    assert made == [("postgresql://postgres:p@db:5432/postgres", "gyre", "g")]
