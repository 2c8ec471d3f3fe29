from gyre.clients.envoy_stats import read, traffic_of

ANSWER = {
    "stats": [
        {"name": "cluster.shop-1.upstream_rq_completed", "value": 905},
        {"name": "cluster.shop-1.upstream_rq_5xx", "value": 3},
        {
            "histograms": {
                "supported_quantiles": [0, 50, 99],
                "computed_quantiles": [
                    {"name": "cluster.shop-1.external.upstream_rq_time", "values": [{"cumulative": 9, "interval": None}] * 3},
                    {"name": "cluster.shop-1.upstream_rq_time", "values": [{"cumulative": q, "interval": None} for q in (1, 2.5, 40)]},
                ],
            }
        },
    ]
}


def test_a_cluster_s_own_figures_are_read():
    found = read(ANSWER, "shop-1")
    assert (found.requests, found.errors, found.p50_ms, found.p99_ms) == (905, 3, 2.5, 40)


def test_a_cluster_that_answered_nothing_has_no_latency():
    found = read({"stats": []}, "shop-1")
    assert (found.requests, found.errors, found.p50_ms) == (0, 0, None)


def test_watching_goes_on_when_the_proxy_cannot_be_asked(caplog):
    with caplog.at_level("INFO", "gyre.job"):
        assert traffic_of("shop-1", "http://127.0.0.1:9") is None
    assert "cannot be asked" in caplog.text
