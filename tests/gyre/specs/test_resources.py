"""What a job may ask for."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gyre.specs import Resources


def test_memory_doubles_after_each_try_that_ran_out_of_it_up_to_the_most():
    asked = Resources(memory_mb=1000, max_memory_mb=3000)
    assert [asked.memory_after(tries) for tries in range(4)] == [1000, 2000, 3000, 3000]


def test_without_a_limit_it_may_grow_fourfold():
    assert Resources(memory_mb=1000).most_memory_mb == 4000


def test_a_limit_below_the_memory_is_refused():
    with pytest.raises(ValidationError, match="max_memory_mb 500 is less than memory_mb 1000"):
        Resources(memory_mb=1000, max_memory_mb=500)


@pytest.mark.parametrize(("profile", "resource"), [("gpu", "nvidia.com/gpu"), ("mig-1g.10gb", "nvidia.com/mig-1g.10gb"), ("amd.com/gpu", "amd.com/gpu")])
def test_a_profile_is_a_name_or_a_resource(profile, resource):
    assert Resources(gpu=1, gpu_profile=profile).gpu_resource == resource
