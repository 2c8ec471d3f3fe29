"""The client of Label Studio against a real server: the session stack's, or any that GYRE_CONN_GYRE_LABELSTUDIO names."""

import os
import re
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gyre.clients.label_studio import Guess, LabelStudio, NewTask
from gyre.clients.label_studio_server import Server
from gyre.clients.object_store import LAKE_CONNECTION, Objects
from gyre.connections import Connection, connection, variable_of
from gyre.errors import LabelStudioRefused, LabelStudioUnreachable
from gyre.settings import REPOSITORY, settings
from tests.integration.label_people import CHOICES, Person, answer, cutting_proxy

pytestmark = pytest.mark.stack

LABEL_STUDIO = "gyre_labelstudio"


@pytest.fixture(scope="module")
def studio(request):
    if variable_of(LABEL_STUDIO) not in os.environ:
        request.getfixturevalue("stack")
    return LabelStudio.of(LABEL_STUDIO)


@pytest.fixture(scope="module")
def ann(studio):
    return Person.sign_up(studio, f"ann-{uuid.uuid4().hex[:8]}@example.com")


@pytest.fixture(scope="module")
def ben(studio):
    return Person.sign_up(studio, f"ben-{uuid.uuid4().hex[:8]}@example.com")


@pytest.fixture(scope="module")
def cleo(studio):
    return Person.sign_up(studio, f"cleo-{uuid.uuid4().hex[:8]}@example.com")


@pytest.fixture
def project(studio):
    name = f"test {uuid.uuid4().hex[:12]}"
    made = studio.project(name, CHOICES, "", annotators=1)
    yield made.id
    studio.server.sdk.projects.delete(made.id)


def named() -> str:
    return f"test {uuid.uuid4().hex[:12]}"


def tasks(count: int, **data) -> list[NewTask]:
    return [NewTask(key=f"k{i}", data={"image": f"s3://pictures/{i}.png", "gyre_reason": "random", **data}) for i in range(count)]


# who signs in


def another(conn: Connection, **fields) -> LabelStudio:
    return LabelStudio(Server(replace(conn, **fields)))


def test_a_legacy_token_says_whose_it_is_and_that_it_never_expires(studio):
    token = studio.token()
    assert (token.kind, token.expires, token.user) == ("legacy", None, connection(LABEL_STUDIO).login)


@pytest.fixture(scope="module")
def personal_token(studio):
    """The one personal access token of the server's user: it is shown in full only when it is made."""
    made = studio.server.sdk._client_wrapper.httpx_client.request("api/token/", method="POST", json={})
    if made.status_code == 409:
        pytest.skip("the server's user has a personal access token already, and Label Studio shows it once")
    return made.json()["token"]


def test_a_personal_access_token_works_and_says_when_it_expires(studio, personal_token):
    mine = another(studio.server.conn, password=personal_token)
    token = mine.token()
    assert token.kind == "personal access"
    assert token.expires > datetime.now(UTC)
    assert mine.find("nothing of that name") is None


def test_a_token_that_is_refused_names_the_connection_and_the_cure(studio):
    with pytest.raises(
        LabelStudioRefused,
        match=r"does not let the legacy token of connection 'gyre_labelstudio' .*401.*Fix: sign in at http.*as password of 'gyre_labelstudio'",
    ):
        another(studio.server.conn, password="0" * 40).token()


def test_a_rotated_token_is_used_at_once(studio, monkeypatch):
    good = connection(LABEL_STUDIO)
    monkeypatch.setenv(variable_of(LABEL_STUDIO), replace(good, password="0" * 40).to_json())
    with pytest.raises(LabelStudioRefused):
        LabelStudio.of(LABEL_STUDIO).token()
    monkeypatch.setenv(variable_of(LABEL_STUDIO), good.to_json())
    assert LabelStudio.of(LABEL_STUDIO).token().user == good.login


def check(conn: Connection) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, variable_of(conn.conn_id): conn.to_json(), "PYTHONPATH": str(REPOSITORY / "include")}
    python = settings().venvs / "stack" / "bin" / "python"
    return subprocess.run([python, "-m", "gyre.cli", "check", conn.conn_id], env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_gyre_check_says_who_signs_in(studio):
    checked = check(studio.server.conn)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert re.fullmatch(rf"Label Studio \d\S+ at {studio.server.conn.http_url}: {studio.server.conn.login}, legacy token, never expires\n", checked.stdout)


def test_gyre_check_fails_with_the_cure(studio):
    checked = check(replace(studio.server.conn, password="0" * 40))
    assert checked.returncode == 1
    assert "does not let the legacy token" in checked.stderr
    assert "Fix: sign in at" in checked.stderr


def test_gyre_check_of_a_server_that_is_not_there_says_so(studio):
    checked = check(replace(studio.server.conn, port=9))
    assert checked.returncode == 1
    assert "cannot be asked to ask whose token this is now: ConnectError" in checked.stderr


def test_gyre_check_of_another_kind_of_connection_names_its_type(studio):
    checked = check(Connection("gyre_lake", "aws"))
    assert checked.returncode == 1
    assert "'gyre_lake' (type aws) cannot be checked" in checked.stderr


# projects


def test_a_project_is_found_again_and_brought_up_to_date(studio):
    name = named()
    made = studio.project(name, CHOICES, "", annotators=1)
    config = CHOICES.replace('value="no"/>', 'value="no"/><Choice value="perhaps"/>')
    again = studio.project(name, config, "<b>Look closely.</b>", annotators=2)
    assert (made.created, again.created, again.id) == (True, False, made.id)
    there = studio.server.sdk.projects.get(made.id)
    assert (there.label_config, there.expert_instruction, there.show_instruction, there.maximum_annotations) == (config, "<b>Look closely.</b>", True, 2)
    assert studio.find(name) == again
    studio.server.sdk.projects.delete(made.id)


def test_workers_who_create_a_project_at_once_end_with_one(studio):
    name = named()
    barrier = threading.Barrier(3)

    def make(_: int) -> int:
        mine = LabelStudio.of(LABEL_STUDIO)
        barrier.wait()
        return mine.project(name, CHOICES, "", annotators=1).id

    with ThreadPoolExecutor(3) as pool:
        made = set(pool.map(make, range(3)))
    assert len(made) == 1
    there = studio.server.get("list", "api/projects/", title=name)["results"]
    assert [each["id"] for each in there] == list(made)
    studio.server.sdk.projects.delete(made.pop())


def test_a_config_that_breaks_what_people_answered_is_refused_in_label_studios_words(studio, ann):
    name = named()
    project = studio.project(name, CHOICES, "", annotators=1).id
    for task in studio.create_tasks(project, tasks(3)):  # Label Studio counts answers beside their creation, and on a busy machine may miss one
        ann.annotate(task, "yes")
    with pytest.raises(LabelStudioRefused, match=r"refuses to bring project 'gyre: test .* up to date \(400\).*label"):
        studio.project(name, CHOICES.replace('name="label"', 'name="other"'), "", annotators=1)
    studio.server.sdk.projects.delete(project)


# tasks


def test_tasks_come_back_by_id_with_their_keys(studio, project):
    ids = studio.create_tasks(project, tasks(5))
    assert ids == sorted(ids)
    assert list(studio.newest_tasks(project, after=0)) == list(zip(ids, ["k0", "k1", "k2", "k3", "k4"], strict=True))
    assert list(studio.newest_tasks(project, after=ids[2])) == [(ids[3], "k3"), (ids[4], "k4")]


def test_deleted_tasks_are_neither_counted_nor_listed(studio, project):
    ids = studio.create_tasks(project, tasks(5))
    studio.delete_tasks(project, [ids[1], ids[4]])
    assert studio.count_tasks(project) == 3
    assert [key for _, key in studio.newest_tasks(project, after=0)] == ["k0", "k2", "k3"]
    studio.delete_tasks(project, [])
    assert studio.count_tasks(project) == 3


def test_guesses_are_shown_whichever_model_version_made_them(studio, project, ann):
    for version in ("digits 1", "digits 2"):
        [task] = studio.create_tasks(project, [NewTask(version, {"image": "s3://p/0.png"}, Guess(answer("yes"), 0.7, version))])
        assert ann.next_task(project) == task
        offered = ann.http.get(f"/api/projects/{project}/next").json()
        assert [(each["score"], each["result"][0]["value"]) for each in offered["predictions"]] == [(0.7, {"choices": ["yes"]})]
        assert offered["meta"] == {"guessed_by": version}
        ann.annotate(task, "yes")


def test_a_task_without_what_the_config_shows_is_refused_and_none_is_created(studio, project):
    with pytest.raises(LabelStudioRefused, match=r"refuses to create 2 tasks in project \d+ \(400\).*image"):
        studio.create_tasks(project, [*tasks(1), NewTask("bad", {"picture": "s3://p/0.png"})])
    assert studio.count_tasks(project) == 0


def test_an_unanswered_creation_is_not_repeated(studio, project):
    host, port = studio.server.conn.host, studio.server.conn.port
    with cutting_proxy(host, port, seconds=0.05) as cutting:
        began = time.monotonic()
        with pytest.raises(LabelStudioUnreachable, match="cannot be asked to create 2000 tasks"):
            another(studio.server.conn, port=cutting).create_tasks(project, tasks(2000))
        assert time.monotonic() - began < 5
    time.sleep(4)
    assert studio.count_tasks(project) in (0, 2000)


# answers


def test_what_changed_holds_new_changed_skipped_and_deleted_answers(studio, project, ann):
    ids = studio.create_tasks(project, tasks(6))
    began = datetime.now(UTC)
    kept, changed, deleted, skipped = (ann.annotate(ids[0], "yes"), ann.annotate(ids[1], "yes"), ann.annotate(ids[2], "yes"), ann.skip(ids[3]))
    found = list(studio.changed(project, began))
    assert [task.id for task in found] == ids[:4]
    assert [(a.id, a.annotator, a.results[0]["value"], a.skipped, a.seconds) for a in found[0].annotations] == [
        (kept, ann.email, {"choices": ["yes"]}, False, 3.5)
    ]
    assert [(a.id, a.skipped) for a in found[3].annotations] == [(skipped, True)]

    since = datetime.now(UTC)
    ann.change(changed, "no")
    ann.delete(deleted)
    found = list(studio.changed(project, since))
    assert [(task.id, task.key, [a.results[0]["value"]["choices"] for a in task.annotations]) for task in found] == [
        (ids[1], "k1", [["no"]]),
        (ids[2], "k2", []),
    ]
    assert studio.count_changed(project, since) == 2
    assert studio.count_changed(project, datetime.now(UTC) + timedelta(minutes=1)) == 0


def test_answers_deleted_in_bulk_are_among_what_changed(studio, project):
    """The Data Manager's action stamps all tasks with one instant; there are more of them than a page holds."""
    body = [{"data": {"image": "s3://p/0.png", "gyre_key": f"k{i}"}, "annotations": [{"result": answer("yes")}]} for i in range(250)]
    ids = studio.server.sdk.projects.import_tasks(project, request=body, return_task_ids=True).task_ids
    since = datetime.now(UTC)
    assert list(studio.changed(project, since)) == []
    studio.server.sdk.actions.create(id="delete_tasks_annotations", project=project, selected_items={"all": False, "included": ids[:230]})
    found = list(studio.changed(project, since))
    assert sorted(task.id for task in found) == ids[:230]
    assert not any(task.annotations for task in found)


def test_a_disputed_task_is_offered_to_a_third_person(studio, ann, ben, cleo):
    name = named()
    project = studio.project(name, CHOICES, "", annotators=2).id
    [task] = studio.create_tasks(project, tasks(1))
    for person, choice in ((ann, "yes"), (ben, "no")):
        assert person.next_task(project) == task
        person.annotate(task, choice)
        assert person.next_task(project) is None
    assert cleo.next_task(project) is None
    studio.ask_again(project, {task: 3})
    assert (ann.next_task(project), ben.next_task(project), cleo.next_task(project)) == (None, None, task)
    cleo.annotate(task, "no")
    assert Person.sign_up(studio, f"dan-{uuid.uuid4().hex[:8]}@example.com").next_task(project) is None
    studio.server.sdk.projects.delete(project)


# exports


def test_an_export_holds_every_task_and_leaves_no_snapshot(studio, project, ann):
    ids = studio.create_tasks(project, tasks(30))
    made, skipped = ann.annotate(ids[3], "no"), ann.skip(ids[4])
    found = {task.id: task for task in studio.export(project)}
    assert sorted(found) == ids
    assert [(a.id, a.annotator, a.skipped) for a in found[ids[3]].annotations] == [(made, ann.email, False)]
    assert [(a.id, a.skipped) for a in found[ids[4]].annotations] == [(skipped, True)]
    assert found[ids[3]] == next(task for task in studio.changed(project, datetime.now(UTC) - timedelta(minutes=5)) if task.id == ids[3])
    assert studio.server.sdk.projects.exports.list(project) == []


def test_an_export_comes_whole_through_a_proxy_that_cuts_every_answer_at_a_second(studio, project):
    ids = studio.create_tasks(project, tasks(2000))
    with cutting_proxy(studio.server.conn.host, studio.server.conn.port, seconds=1.0) as cutting:
        found = [task.id for task in another(studio.server.conn, port=cutting).export(project)]
    assert sorted(found) == ids
    assert studio.server.sdk.projects.exports.list(project) == []


# what a project is tied to


def test_a_webhook_is_kept_once_and_brought_up_to_date(studio, project):
    studio.webhook(project, "http://airflow.example.com/hook", {"Authorization": "old"})
    studio.webhook(project, "http://airflow.example.com/hook", {"Authorization": "new"})
    [kept] = studio.server.sdk.webhooks.list(project=str(project))
    assert (kept.headers, kept.is_active, kept.send_for_all_actions) == ({"Authorization": "new"}, True, False)


def test_what_is_no_s3_cannot_be_linked(studio, project):
    with pytest.raises(LabelStudioRefused, match=r"type google_cloud_platform.*only S3"):
        studio.link_files(project, "pictures", Connection("gyre_lake", "google_cloud_platform"), minutes=15)


def test_files_are_shown_by_links_that_work_for_so_many_minutes(studio, project, ann):
    bucket = urlsplit(settings().lake_uri).netloc
    store = connection(LAKE_CONNECTION)
    uri = f"s3://{bucket}/pictures/{uuid.uuid4().hex}.png"
    objects = Objects(store)
    objects.write(uri, b"a picture")
    for minutes in (5, 15):  # twice: it is kept once, and brought up to date
        studio.link_files(project, bucket, store, minutes)
    assert [each.presign_ttl for each in studio.server.sdk.import_storage.s3.list(project=project)] == [15]
    [task] = studio.create_tasks(project, [NewTask("k", {"image": uri})])
    assert ann.next_task(project) == task
    shown = ann.http.get(f"/api/projects/{project}/next").json()["data"]["image"]
    redirect = ann.http.get(urlsplit(shown)._replace(scheme="", netloc="").geturl())
    link = redirect.headers["location"]
    assert (redirect.status_code, parse_qs(urlsplit(link).query)["X-Amz-Expires"]) == (303, ["900"])
    assert httpx.get(link).content == b"a picture"
    objects.delete(uri)


def test_rotated_keys_of_the_object_store_are_brought_up_to_date(studio, project):
    bucket = urlsplit(settings().lake_uri).netloc
    store = connection(LAKE_CONNECTION)
    studio.link_files(project, bucket, store, 5)
    with pytest.raises(LabelStudioRefused, match=r"refuses to link bucket '.*AWS credentials.*Fix: give connection 'gyre_lake' keys that may list"):
        studio.link_files(project, bucket, replace(store, password="wrong"), 5)
    studio.link_files(project, bucket, store, 6)
    [kept] = studio.server.sdk.import_storage.s3.list(project=project)
    assert kept.presign_ttl == 6


def test_a_store_that_does_not_answer_is_told_from_one_with_other_keys(studio, project):
    store = connection(LAKE_CONNECTION)
    nowhere = replace(store, extra={**store.extra, "endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(LabelStudioUnreachable, match=r"link bucket '.*' .*are keys and endpoint_url of 'gyre_lake' right\?"):
        studio.link_files(project, urlsplit(settings().lake_uri).netloc, nowhere, 5)
