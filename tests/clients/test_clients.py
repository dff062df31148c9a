"""Unmodified clients of the Open Inference Protocol against the gateway: one test per client and feature."""

from collections.abc import Callable, Mapping

import pytest
from clients.matrix import CLIENTS, Client
from clients.suites.features import OK
from clients.suites.samples import DATATYPES
from clients.suites.target import Target
from routing import routes_of
from tidemill_local.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
ReportOf = Callable[[Client], Mapping[str, str]]
MATRIX = [
    pytest.param(client, feature, id=f"{client.name}-{feature}") for client in CLIENTS for feature in client.features
]


@pytest.mark.parametrize("model", [*DATATYPES, "classifier", "slow"])
def test_a_model_of_every_datatype_is_served(stack: Stack, target: Target, model: str) -> None:
    route = routes_of(stack)[target.models[model]]
    assert (route["behind"], route["failure"]) == (False, "")


@pytest.mark.parametrize(("client", "feature"), MATRIX)
def test_the_feature_works_for_the_client(report_of: ReportOf, client: Client, feature: str) -> None:
    outcome = report_of(client).get(feature, "not reported")
    assert outcome == OK, outcome


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_matrix_has_all_that_the_client_reports(report_of: ReportOf, client: Client) -> None:
    assert sorted(report_of(client)) == sorted(client.features)
