"""What a pod recorded comes to the lake as segments, and from them into the table, each line once, whoever is killed when."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from gyre.clients.object_store import Objects
from gyre.errors import PromotionFailed
from gyre.segments import segmented_logs
from gyre.serving import log as recording
from gyre.serving import ship as shipping
from gyre.serving.fetch import fetch
from gyre.serving.log import PredictionLog
from gyre.serving.ship import Shipper, run
from gyre.settings import REPOSITORY


@pytest.fixture
def root(tmp_path):
    return f"file://{tmp_path}/lake/toy"


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "predictions"
    folder.mkdir()
    return folder


@pytest.fixture
def ship(root, logs):
    """Ship as a shipper does that was just started, of one pod or another."""

    def once(pod="pod-a", objects=None):
        return Shipper(objects or Objects(None), root, 3, pod, logs).ship()

    return once


def write(logs, *lines, file="20260101T000000-7.jsonl"):
    with (logs / file).open("a") as opened:
        opened.write("".join(lines))


def uploaded(root):
    return {found.name: [text.decode() for _, text in found.lines(0)] for found in segmented_logs(Objects(None), root)}


def test_whole_lines_are_uploaded_and_a_torn_one_waits(root, logs, ship):
    write(logs, "one\n", "two\n", "thr")
    assert ship() == 8
    assert uploaded(root) == {"pod-a-20260101T000000-7.jsonl": ["one\n", "two\n"]}
    write(logs, "ee\n")
    ship()
    assert uploaded(root) == {"pod-a-20260101T000000-7.jsonl": ["one\n", "two\n", "three\n"]}


def test_a_segment_is_named_after_the_byte_it_begins_at(root, logs, ship, tmp_path):
    write(logs, "one\n")
    ship()
    write(logs, "two\n")
    ship()
    found = sorted(path.name for path in (tmp_path / "lake").rglob("*.jsonl"))
    assert found == ["00000000000000000000.jsonl", "00000000000000000004.jsonl"]
    assert (tmp_path / "lake" / "toy" / "prediction_logs" / "3" / "pod-a-20260101T000000-7").is_dir()


def test_who_starts_again_asks_the_lake_how_far_it_was(root, logs, ship):
    for number in range(5):
        write(logs, f"{number}\n")
        ship()
        ship()
    assert uploaded(root) == {"pod-a-20260101T000000-7.jsonl": [f"{n}\n" for n in range(5)]}


def test_an_upload_that_seemed_to_fail_and_did_not_is_not_repeated(root, logs, ship):
    class Unsure(Objects):
        """Writes, and then seems not to have."""

        def create(self, uri, content):
            super().create(uri, content)
            raise OSError("timed out")

    write(logs, "one\n", "two\n")
    same = Shipper(Unsure(None), root, 3, "pod-a", logs)
    with pytest.raises(OSError, match="timed out"):
        same.ship()
    write(logs, "three\n")
    same.objects = Objects(None)
    same.ship()
    assert uploaded(root) == {"pod-a-20260101T000000-7.jsonl": ["one\n", "two\n", "three\n"]}


def test_two_pods_with_a_file_of_the_same_name_are_two_logs(root, logs, ship):
    write(logs, "one\n")
    ship("pod-a")
    ship("pod-b")
    assert len(uploaded(root)) == 2


def test_much_becomes_several_segments_and_a_line_longer_than_one_is_kept_whole(root, logs, ship, monkeypatch, tmp_path):
    monkeypatch.setattr(shipping, "LARGEST", 10)
    lines = ["123\n", "456\n", "789\n", "a line that is longer than a segment\n", "end\n"]
    write(logs, *lines)
    ship()
    assert uploaded(root) == {"pod-a-20260101T000000-7.jsonl": lines}
    assert len(list((tmp_path / "lake").rglob("*.jsonl"))) == 4


def test_a_file_whose_process_has_begun_another_is_deleted_once_it_is_uploaded(root, logs, ship):
    write(logs, "one\n")
    write(logs, "other process\n", file="20260101T000000-8.jsonl")
    write(logs, "two\n", file="20260101T000100-7.jsonl")
    ship()
    assert sorted(path.name for path in logs.iterdir()) == ["20260101T000000-8.jsonl", "20260101T000100-7.jsonl"]
    assert sum(len(lines) for lines in uploaded(root).values()) == 3


def test_a_process_begins_another_file_when_one_is_large(logs, monkeypatch):
    monkeypatch.setattr(recording, "LARGEST_FILE", 1)
    kept = PredictionLog(logs)
    kept.append([{"n": 1}])
    (first,) = logs.iterdir()
    first = first.rename(first.with_name(first.name.replace("T", "S")))  # as if it had been begun another second
    kept._path = first
    kept.append([{"n": 2}])
    assert [json.loads(path.read_text())["n"] for path in sorted(logs.iterdir())] == [1, 2]


def test_the_lake_being_away_ends_nothing_and_loses_nothing(root, logs, caplog):
    class Away(Objects):
        def create(self, uri, content):
            if len(told) < 3:
                raise OSError("no route to host")
            return super().create(uri, content)

    told = []

    def told_to_end(seconds):
        told.append(seconds)
        return len(told) > 3

    write(logs, "one\n")
    run(Shipper(Away(None), root, 3, "pod-a", logs), told_to_end)
    assert told == [shipping.AGAIN_S] * 3 + [shipping.EVERY_S]
    assert uploaded(root) == {"pod-a-20260101T000000-7.jsonl": ["one\n"]}
    assert "trying again" in caplog.text


def start(logs, lake):
    command = [sys.executable, "-m", "gyre.serving.ship", "--use-case", "toy", "--version", "3", "--pod", "pod-a", "--logs", str(logs)]
    environment = {"PYTHONPATH": str(REPOSITORY / "include"), "GYRE_LAKE_URI": lake}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert "Uploading" in process.stdout.readline()
    return process


def test_a_real_shipper_killed_again_and_again_ends_with_each_line_once(root, logs, tmp_path):
    lake = f"file://{tmp_path}/lake"
    for kill in range(4):
        process = start(logs, lake)
        for number in range(100):
            write(logs, f"{kill * 100 + number}\n")
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    process = start(logs, lake)
    write(logs, "last\n")
    process.terminate()
    assert process.wait(20) == 0  # told to end, it uploads what is left first
    assert uploaded(root) == {"pod-a-20260101T000000-7.jsonl": [*(f"{n}\n" for n in range(400)), "last\n"]}


def test_a_bento_of_another_hash_is_refused_and_nothing_of_it_is_left(tmp_path):
    (tmp_path / "toy.bento").write_bytes(b"something else")
    expected = r"toy.bento is not the Bento that was built: its hash is [0-9a-f]{12}..., not abcdefabcdef.... Fix: delete it and deploy again."
    with pytest.raises(PromotionFailed, match=expected):
        fetch(f"file://{tmp_path}/toy.bento", "abcdef" * 12, tmp_path / "served")
    assert list((tmp_path / "served").iterdir()) == []


def test_fetching_again_begins_anew_and_a_refusal_is_exit_status_3(tmp_path):
    import hashlib
    import tarfile

    (tmp_path / "src.txt").write_text("hello")
    with tarfile.open(tmp_path / "toy.bento", "w") as archive:
        archive.add(tmp_path / "src.txt", "src.txt")
    sha256 = hashlib.sha256((tmp_path / "toy.bento").read_bytes()).hexdigest()
    folder = tmp_path / "served"
    (folder / "half").mkdir(parents=True)

    def fetched(uri, sha256):
        command = [sys.executable, "-m", "gyre.serving.fetch", "--uri", uri, "--sha256", sha256, "--to", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(REPOSITORY / "include")})

    done = fetched(f"file://{tmp_path}/toy.bento", sha256)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in folder.iterdir()] == ["src.txt"]
    gone = fetched(f"file://{tmp_path}/gone.bento", sha256)
    assert (gone.returncode, gone.stdout) == (3, f"There is no Bento at file://{tmp_path}/gone.bento. Fix: deploy again, which builds it.\n")
