from http import HTTPStatus

import grpc
import pytest
from tidemill_runtime import errors
from tidemill_runtime.errors import TidemillError

TREE = [TidemillError, *TidemillError.__subclasses__()]


@pytest.mark.parametrize("error", TREE)
def test_every_error_knows_its_http_and_grpc_status(error: type[TidemillError]):
    assert 400 <= HTTPStatus(error.status) < 600
    assert error.grpc_code in grpc.StatusCode.__members__


@pytest.mark.parametrize("error", TREE)
def test_the_tree_drawn_in_the_module_is_the_tree(error: type[TidemillError]):
    [line] = [line for line in errors.__doc__.splitlines() if line.lstrip("├└─ ").split()[:1] == [error.__name__]]

    retryable = ["retryable"] if error.retryable else []
    assert line.lstrip("├└─ ").split() == [error.__name__, str(error.status), error.grpc_code, *retryable]


def test_only_what_passes_by_itself_is_retryable():
    assert [error.__name__ for error in TREE if error.retryable] == ["Unavailable"]
