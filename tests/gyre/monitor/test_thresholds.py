from datetime import timedelta

import numpy as np
import pytest

from gyre.histograms import Counts, build_reference
from gyre.monitor.thresholds import HeldOut, resampled, threshold_of
from gyre.specs import Features, Rule

DAY = timedelta(days=1)
GAP = Rule(name="gap", statistic="calibration_gap", false_alarm_rate=0.01)


def held_out(days=14, rows=800, day_effect=0.0, seed=0):
    """Days whose share of late orders wanders together, predicted at .3."""
    generator = np.random.default_rng(seed)
    blocks = np.repeat(np.arange(days), rows)
    share = np.clip(0.3 + generator.normal(0, day_effect, days), 0, 1)[blocks]
    labels = (generator.random(blocks.size) < share).astype(float)
    return HeldOut("binary", blocks, labels, np.full(blocks.size, 0.3), [])


def derived(rule, held, metric="log_loss", reference=None, higher=False):
    return threshold_of(rule, held, DAY, metric, reference, higher_is_better=higher)


def test_a_written_threshold_is_taken_as_it_is():
    assert derived(GAP.model_copy(update={"threshold": 0.2}), held_out()) == 0.2


def test_no_threshold_is_derived_from_too_few_blocks():
    assert derived(GAP, held_out(days=4)) is None
    assert derived(GAP, None) is None


def test_rows_that_share_their_day_s_luck_need_a_wider_threshold_than_independent_ones():
    assert derived(GAP, held_out(day_effect=0.1)) > 3 * derived(GAP, held_out())


def test_a_lower_false_alarm_rate_needs_a_wider_threshold():
    assert derived(GAP, held_out(day_effect=0.1)) > derived(GAP.model_copy(update={"false_alarm_rate": 0.2}), held_out(day_effect=0.1))


def test_new_quiet_weeks_exceed_it_no_more_often_than_stated():
    rule = GAP.model_copy(update={"false_alarm_rate": 0.1})
    alarms = []
    for seed in range(200):
        threshold = derived(rule, held_out(days=14, rows=100, day_effect=0.1, seed=seed))
        week = held_out(days=7, rows=100, day_effect=0.1, seed=1000 + seed)
        alarms.append(abs((week.labels - week.predictions).mean()) > threshold)
    assert 0.01 <= np.mean(alarms) <= 0.1


def test_it_is_the_same_every_night():
    assert derived(GAP, held_out(day_effect=0.1)) == derived(GAP, held_out(day_effect=0.1))


def test_of_a_metric_of_which_more_is_better_the_low_end_is_taken():
    generator = np.random.default_rng(0)
    scores = generator.random(2000)
    held = HeldOut("binary", np.arange(2000) // 200, (generator.random(2000) < scores).astype(float), scores, [])
    rule = Rule(name="auc", statistic="metric")
    values = resampled(rule, held, 7, "auc", None)
    assert derived(rule, held, "auc", higher=True) <= values.min() + 0.01
    assert derived(rule, held, "log_loss") > 0.4


@pytest.mark.parametrize("statistic", ["prediction_psi", "prediction_js", "feature_psi", "feature_js", "feature_ks", "feature_wasserstein"])
def test_every_drift_has_a_threshold_from_counts_by_block(statistic):
    import pandas as pd

    generator = np.random.default_rng(0)
    features = Features(function="a:b", numeric=["amount"], categorical=["country"])
    frame = pd.DataFrame({"amount": generator.normal(size=4000), "country": ["de", "fr"] * 2000})
    reference = build_reference(frame, features, generator.random(4000), bins=100)
    counts = []
    for part in np.array_split(np.arange(4000), 10):
        counts.append(Counts(reference))
        counts[-1].add(frame.iloc[part], generator.random(400))
    held = HeldOut("binary", np.arange(4000) // 400, np.zeros(4000), np.zeros(4000), counts)
    assert 0 < derived(Rule(name="drift", statistic=statistic), held, reference=reference) < 0.3
    assert derived(Rule(name="drift", statistic=statistic), HeldOut("binary", held.blocks, held.labels, held.predictions, []), reference=reference) is None
