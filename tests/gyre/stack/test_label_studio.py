"""How the local Label Studio is run."""

import json
import sqlite3

import pytest

from gyre.errors import StackError
from gyre.layout import Layout
from gyre.settings import Settings
from gyre.stack import airflow, environments, label_studio, steps
from gyre.stack.context import Stack
from gyre.stack.secrets import Secrets

POSTGRES = {"conn_type": "postgres", "host": "db.example.org", "port": 5433, "login": "ls", "password": "hidden", "schema": "labels"}


@pytest.fixture
def stack(tmp_path):
    lock = tmp_path / "docker" / "labelstudio" / "requirements.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text("label-studio==1.23.2\n")
    (tmp_path / "venvs" / "labelstudio").mkdir(parents=True)
    variables = {"GYRE_HOME": str(tmp_path / "home"), "GYRE_PORT_BASE": "41000", "GYRE_VENVS": str(tmp_path / "venvs")}
    here = Settings(variables | {"GYRE_ENVIRONMENTS": str(tmp_path / "docker")})
    here.home.mkdir()
    return Stack(here, Secrets(), Layout(here.home))


@pytest.fixture
def setups(monkeypatch):
    """What was asked of the setup script; a short one stands in for it, whose database says how it was made."""
    asked = []

    def run(stack, name, command, environment, stdin, timeout):
        told = json.loads(stdin)
        asked.append(told)
        if environment["LABEL_STUDIO_DJANGO_DB"] == "sqlite":
            with sqlite3.connect(environment["LABEL_STUDIO_DATABASE_NAME"]) as database:
                database.execute("create table if not exists account (email)")
                if told["pristine"]:
                    database.execute("vacuum into ?", [told["pristine"]])
                database.execute("insert into account values (?)", [told["email"]])
        return ""

    monkeypatch.setattr(steps, "run", run)
    return asked


def _accounts(file):
    with sqlite3.connect(file) as database:
        return [email for (email,) in database.execute("select email from account")]


def test_no_secret_is_among_the_servers_arguments(stack):
    command = " ".join(label_studio.component(stack).program().command)
    assert not [value for value in vars(stack.secrets).values() if value in command]


def test_it_listens_on_this_machine_alone(stack):
    command = label_studio.component(stack).program().command
    assert command[command.index("--bind") + 1] == "127.0.0.1:41280"


def test_it_tells_nobody_anything_and_lets_nobody_in_without_a_link(stack):
    given = label_studio.environment(stack)
    assert {given[f"LABEL_STUDIO_{name}"] for name in ("COLLECT_ANALYTICS", "LATEST_VERSION_CHECK")} == {"false"}
    assert {given[f"LABEL_STUDIO_{name}"] for name in ("SENTRY_DSN", "FRONTEND_SENTRY_DSN")} == {""}
    assert given["LABEL_STUDIO_FEATURE_FLAGS_OFFLINE"] == given["LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK"] == "true"


def test_its_sessions_are_signed_with_the_stacks_own_key(stack):
    assert label_studio.environment(stack)["SECRET_KEY"] == stack.secrets.label_studio_key


def test_its_records_are_in_sqlite_unless_a_postgresql_is_given(stack):
    given = label_studio.environment(stack)
    assert given["LABEL_STUDIO_DJANGO_DB"] == "sqlite"
    assert given["LABEL_STUDIO_DATABASE_NAME"] == str(stack.layout.home / "label-studio" / "label_studio.sqlite3")


def test_a_given_postgresql_holds_its_records(stack):
    stack.settings.environ["GYRE_CONN_GYRE_LABELSTUDIO_DB"] = json.dumps(POSTGRES)
    given = {name.removeprefix("LABEL_STUDIO_POSTGRE_"): value for name, value in label_studio.environment(stack).items() if "POSTGRE" in name}
    assert given == {"HOST": "db.example.org", "PORT": "5433", "NAME": "labels", "USER": "ls", "PASSWORD": "hidden"}
    assert label_studio.environment(stack)["LABEL_STUDIO_DJANGO_DB"] == "default"


def test_the_first_start_keeps_the_migrated_database_before_there_is_an_account_in_it(stack, setups):
    label_studio.component(stack).prepare()
    assert _accounts(label_studio.pristine(stack)) == []
    assert _accounts(stack.layout.home / "label-studio" / "label_studio.sqlite3") == [label_studio.EMAIL]


def test_a_new_stack_of_the_same_environment_begins_with_the_kept_database(stack, setups):
    label_studio.component(stack).prepare()
    other = Stack(Settings(stack.settings.environ | {"GYRE_HOME": str(stack.layout.home / "other")}), Secrets(), Layout(stack.layout.home / "other"))
    other.layout.home.mkdir()
    label_studio.component(other).prepare()
    assert [each["pristine"] is None for each in setups] == [False, True]
    assert _accounts(other.layout.home / "label-studio" / "label_studio.sqlite3") == [label_studio.EMAIL]


def test_a_later_start_runs_no_migration(stack, setups):
    for _ in range(2):
        label_studio.component(stack).prepare()
    assert len(setups) == 1


def test_another_lock_brings_the_database_up_to_date(stack, setups):
    label_studio.component(stack).prepare()
    environments.lock(stack.settings, "labelstudio").write_text("label-studio==1.24.0\n")
    label_studio.component(stack).prepare()
    assert len(setups) == 2


def test_what_an_interrupted_first_start_left_is_not_used(stack, setups):
    folder = stack.layout.home / "label-studio"
    folder.mkdir()
    (folder / "label_studio.partial").write_text("half of a database")
    (folder / "label_studio.partial-journal").write_text("what would be played into it")
    label_studio.component(stack).prepare()
    assert not (folder / "label_studio.partial-journal").exists()
    assert _accounts(stack.layout.home / "label-studio" / "label_studio.sqlite3") == [label_studio.EMAIL]


def test_a_forgotten_variable_does_not_move_everyones_labels_out_of_sight(stack, setups):
    stack.settings.environ["GYRE_CONN_GYRE_LABELSTUDIO_DB"] = json.dumps(POSTGRES)
    label_studio.component(stack).prepare()
    del stack.settings.environ["GYRE_CONN_GYRE_LABELSTUDIO_DB"]
    with pytest.raises(StackError, match=r"are in db.example.org:5433/labels, .* start with SQLite. Fix: set GYRE_CONN_GYRE_LABELSTUDIO_DB"):
        label_studio.component(stack).prepare()


def test_the_login_names_each_servers_people(stack):
    assert label_studio.login(stack) == f"Label Studio http://127.0.0.1:41280\nuser: {label_studio.EMAIL}\npassword: {stack.secrets.label_studio_password}\n"
    assert f"user: viewer\npassword: {stack.secrets.airflow_viewer}\n" in airflow.login(stack)
