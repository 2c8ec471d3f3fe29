"""airflow_settings.yaml, expanded."""

import pytest

from gyre.errors import StackError
from gyre.layout import Layout
from gyre.settings import Settings
from gyre.stack import airflow_settings
from gyre.stack.context import Stack
from gyre.stack.secrets import Secrets


@pytest.fixture
def stack(tmp_path):
    here = Settings({"GYRE_HOME": str(tmp_path), "GYRE_PORT_BASE": "41000"})
    return Stack(here, Secrets(), Layout(here.home))


def test_the_local_connections_hold_this_stacks_ports_and_secrets(stack):
    found = airflow_settings.local_connections(stack)
    assert found["gyre_journal"].postgres_uri == f"postgresql://gyre:{stack.secrets.postgres_gyre}@127.0.0.1:41432/gyre"
    assert found["gyre_lake"].password == stack.secrets.s3_secret
    assert found["gyre_lake"].extra["endpoint_url"] == "http://127.0.0.1:41333"
    assert found["gyre_mlflow"].http_url == "http://127.0.0.1:41500"
    assert set(found) >= {"company_db", "company_bucket", "company_kafka"}


def test_the_file_itself_holds_no_secret():
    for line in airflow_settings.FILE.read_text().splitlines():
        if "password" in line or "login" in line:
            assert "${" in line or line.strip() in {"conn_login: gyre", "conn_login: company"}


def test_a_value_with_yaml_in_it_stays_text(stack, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("airflow:\n  variables:\n    - {variable_name: a, variable_value: '${MINE}'}\n")
    stack.settings.environ["MINE"] = "x: [1, 2]\n# no comment"
    assert airflow_settings.read(stack, file)["variables"][0]["variable_value"] == "x: [1, 2]\n# no comment"


def test_an_unknown_name_is_told_with_the_nearest_known_one():
    with pytest.raises(StackError, match=r"'GYRE_S3_KAY', which has no value. Did you mean 'GYRE_S3_KEY'\?"):
        airflow_settings.expand({"a": ["${GYRE_S3_KAY}"]}, {"GYRE_S3_KEY": "k"})


def test_a_file_without_its_one_key_says_what_it_needs(stack, tmp_path):
    (tmp_path / "settings.yaml").write_text("connections: []\n")
    with pytest.raises(StackError, match="needs one key `airflow`"):
        airflow_settings.read(stack, tmp_path / "settings.yaml")
