import socket

from gyre.clients.envoy_stats import proxies, read, together, traffic_of
from gyre.settings import Settings

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


def test_what_several_routers_counted_is_summed_up_and_the_slowest_tells_the_latency():
    first, second = read(ANSWER, "shop-1"), read({"stats": []}, "shop-1")
    both = together([first, second, first.model_copy(update={"p99_ms": 50.0})])
    assert (both.requests, both.errors, both.p50_ms, both.p99_ms) == (1810, 6, 2.5, 50)
    assert together([]) is None


def test_on_a_cluster_every_router_pod_is_asked(monkeypatch):
    asked = []

    def resolve(name, port, type):  # noqa: A002 - as socket names it
        asked.append((name, port))
        return [(2, 1, 6, "", (ip, port)) for ip in ("10.244.0.9", "10.244.0.8", "10.244.0.9")]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    here = Settings({"GYRE_RUNTIME": "kubernetes", "GYRE_KUBERNETES_NAMESPACE": "models"})
    assert proxies(here) == ["http://10.244.0.8:9902", "http://10.244.0.9:9902"]
    assert asked == [("gyre-router-view.models.svc", 9902)]
    assert proxies(Settings(here.environ | {"GYRE_GATEWAY": "infra/public"})) == []
    assert proxies(Settings({"GYRE_PORT_ENVOY_ADMIN": "7"})) == ["http://127.0.0.1:7"]


def test_watching_goes_on_where_no_router_can_be_found(monkeypatch, caplog):
    def unknown(*_, **__):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    monkeypatch.setenv("GYRE_RUNTIME", "kubernetes")
    with caplog.at_level("INFO", "gyre.job"):
        assert traffic_of("shop-1") is None
    assert "gyre-router-view cannot be asked (Name or service not known)" in caplog.text
