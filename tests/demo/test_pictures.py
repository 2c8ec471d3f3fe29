"""The scanner's pictures: all of them once, inverted from one date on, and nothing in what is delivered tells the digit."""

import io
import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from demo.pictures import FAULT, FIRST, GOLD_A_WEEK, WEEK, WEEKS, scans, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scanner") / "all"
    write(folder)
    return folder


@pytest.fixture(scope="module")
def taken():
    return list(scans())


def test_every_picture_is_taken_once_in_order_a_third_of_them_a_week(taken):
    assert len({scan.scan_id for scan in taken}) == len(taken) == 1797
    assert all(before.taken_at < after.taken_at for before, after in pairwise(taken))
    assert [sum(scan.week == FIRST + number * WEEK for scan in taken) for number in range(WEEKS)] == [599, 599, 599]


def test_the_camera_inverts_what_it_takes_from_the_date_of_its_fault_on(taken):
    for scan in (taken[0], taken[-1]):
        seen = np.asarray(Image.open(io.BytesIO(scan.png)), dtype=int)
        ink = np.round(scan.ink * 255 / 16).astype(int)
        assert (seen == (255 - ink if scan.taken_at >= FAULT else ink)).all()
    assert taken[0].taken_at < FAULT < taken[-1].taken_at


def test_the_truth_is_in_no_name_and_in_no_delivered_file_but_the_gold(folder, taken):
    truth = json.loads((folder / "truth.json").read_text())
    delivered = list((folder / "scans").rglob("*.png"))
    assert {file.stem.rpartition("-")[2]: file.read_bytes() for file in delivered} == {scan.scan_id: scan.png for scan in taken}
    in_order = [truth[scan.scan_id] for scan in taken]
    for last in range(10):  # an id's last digit says nothing of what was written
        share = np.mean([digit == str(last) for digit in in_order[last::10]])
        assert share < 0.25
    gold = pd.read_parquet(folder / "gold" / "digits.parquet")
    assert len(gold) == GOLD_A_WEEK * WEEKS
    assert all(truth[row.scan_id] == row.label for row in gold.itertuples())


def test_written_twice_it_is_the_same(folder, tmp_path):
    write(tmp_path / "again")
    files = sorted(file.relative_to(folder) for file in folder.rglob("*.png"))
    assert all((folder / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)
