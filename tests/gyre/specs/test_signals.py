"""Names of signals in a spec."""

import pytest
from pydantic import ValidationError

from gyre.specs import Monitoring, UseCase
from tests.gyre.deploy.spec import use_case


@pytest.mark.parametrize("name", ["n0", "id", "prediction"])
def test_a_signal_cannot_be_named_as_a_column_is(name):
    made = use_case()
    given = {**{field: getattr(made, field) for field in UseCase.model_fields}, "monitoring": Monitoring(signals=["input_mean", name])}
    with pytest.raises(ValidationError, match=rf"monitoring.signals are named as columns are: \['{name}'\]. Fix: give the model's signals other names"):
        UseCase(**given)
