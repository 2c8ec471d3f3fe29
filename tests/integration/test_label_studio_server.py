"""The session stack's Label Studio."""

import json

import httpx
import pytest

from gyre.stack.annotators import add_annotator
from gyre.stack.label_studio import EMAIL

pytestmark = pytest.mark.stack


@pytest.fixture
def conn(stack):
    return stack.connections["gyre_labelstudio"]


def _whoami(conn, token):
    answer = httpx.get(f"{conn.http_url}/api/current-user/whoami", headers={"Authorization": f"Token {token}"}, trust_env=False, timeout=30)
    return answer.raise_for_status().json()["email"]


def test_the_connections_token_is_the_administrators(conn):
    assert conn.login == EMAIL
    assert _whoami(conn, conn.password) == EMAIL


def test_status_knows_it(stack, conn):
    listed = json.loads(stack.gyre("status", "--json").stdout)["components"]
    (found,) = [each for each in listed if each["name"] == "label-studio"]
    assert (found["healthy"], found["address"]) == (True, conn.http_url)


def test_nobody_makes_an_account_without_the_link(conn):
    with httpx.Client(base_url=conn.http_url, trust_env=False, timeout=30) as browser:
        browser.get("/user/signup/")
        form = {"email": "stranger@example.org", "password": "long enough", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        refused = browser.post("/user/signup/", data=form, headers={"Referer": conn.http_url})
    assert refused.status_code == 403


def test_an_annotators_account_has_a_token_of_its_own_and_is_found_again(stack, conn):
    made = add_annotator("ann@example.org")
    assert made.token != conn.password
    assert _whoami(conn, made.token) == "ann@example.org"
    again = stack.gyre("annotator", "Ann@example.org")
    assert f"password: {made.password}\n" in again.stdout


def test_what_is_no_address_is_told(stack):
    refused = stack.gyre("annotator", "nobody")
    assert refused.returncode == 1
    assert "Label Studio makes no account 'nobody': it is no e-mail address" in refused.stderr
