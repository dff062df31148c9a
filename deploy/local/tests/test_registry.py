"""What the command line makes of the registry's answers."""

import pytest
from tidemill_local import registry

PATH = "GET /v1/models/tide/routes"


@pytest.fixture
def url(services) -> str:
    return services.url("registry")


def test_a_route_says_what_each_version_gets(services, url: str):
    services.answers[PATH] = {
        "fallback": 5,
        "arms": [{"version": 6, "weight": 0.8}, {"version": 7, "weight": 0.2}],
        "mirrors": [],
    }

    assert registry.route_weights(url, "tide") == {5: "warm", 6: "80%", 7: "20%"}


def test_a_version_that_only_watches_is_a_mirror_even_if_it_is_the_fallback(services, url: str):
    services.answers[PATH] = {
        "fallback": 7,
        "arms": [{"version": 6, "weight": 1.0}],
        "mirrors": [{"version": 7, "fraction": 1.0}],
    }

    assert registry.route_weights(url, "tide") == {6: "100%", 7: "mirror 100%"}


def test_a_model_that_does_not_serve_has_no_weights(url: str):
    assert registry.route_weights(url, "tide") == {}
