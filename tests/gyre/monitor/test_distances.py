import numpy as np
import pytest

from gyre.monitor import distances


def histogram(values, edges):
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def counts_and_means(values, edges):
    counts = histogram(values, edges)
    sums = np.bincount(np.searchsorted(edges, values, side="right"), values, minlength=len(edges) + 1)
    return counts, distances.means_of(counts, sums, edges)


@pytest.fixture
def two():
    generator = np.random.default_rng(0)
    return generator.normal(size=50_000), generator.normal(0.3, 1.2, size=40_000)


@pytest.fixture
def edges(two):
    return np.quantile(two[0], np.arange(1, 256) / 256)


def test_psi_is_the_textbook_sum():
    before, now = np.array([50, 50]), np.array([80, 20])
    assert distances.psi(before, now) == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5))


def test_psi_of_an_empty_bin_is_finite():
    assert np.isfinite(distances.psi(np.array([50, 50]), np.array([100, 0])))


def test_jensen_shannon_goes_from_0_to_1():
    assert distances.jensen_shannon(np.array([3, 1]), np.array([30, 10])) == pytest.approx(0)
    assert distances.jensen_shannon(np.array([1, 0]), np.array([0, 1])) == pytest.approx(1)


def test_total_variation_is_half_the_summed_change_of_shares():
    assert distances.total_variation(np.array([7, 3]), np.array([3, 7])) == pytest.approx(0.4)


def test_ks_from_bins_is_near_the_exact_one_and_never_above_it(two, edges):
    stats = pytest.importorskip("scipy.stats")
    exact = stats.ks_2samp(*two).statistic
    found = distances.kolmogorov_smirnov(histogram(two[0], edges), histogram(two[1], edges))
    assert exact - 1 / 256 <= found <= exact + 1e-12


def test_wasserstein_from_bins_is_near_the_exact_one(two, edges):
    stats = pytest.importorskip("scipy.stats")
    counts, means = zip(*(counts_and_means(values, edges) for values in two), strict=True)
    found = distances.wasserstein(*counts, *means, 2.0)
    assert found == pytest.approx(stats.wasserstein_distance(*two) / 2, rel=0.005)


def test_many_windows_at_once_are_measured_as_each_alone(two, edges):
    before = histogram(two[0], edges)
    many = np.array([histogram(part, edges) for part in np.array_split(two[1], 5)])
    for distance in (distances.psi, distances.jensen_shannon, distances.kolmogorov_smirnov, distances.total_variation):
        assert distance(before, many) == pytest.approx([float(distance(before, one)) for one in many])


def test_wasserstein_of_many_windows_is_that_of_each_alone(two, edges):
    before, means = counts_and_means(two[0], edges)
    parts = [counts_and_means(part, edges) for part in np.array_split(two[1], 5)]
    many = distances.wasserstein(before, np.array([c for c, _ in parts]), means, np.array([m for _, m in parts]), 1)
    assert many == pytest.approx([float(distances.wasserstein(before, c, means, m, 1)) for c, m in parts])


def test_bins_are_merged_to_about_ten_of_equal_share(two, edges):
    before = histogram(two[0], edges)
    merged = distances.merged(before, distances.groups(before))
    assert merged.sum() == before.sum()
    assert len(merged) == 10
    assert merged.max() < 0.12 * before.sum()


def test_a_bin_that_holds_most_rows_stays_alone():
    assert distances.groups(np.array([0, 100, 0])).tolist() == [0, 1, 2]
