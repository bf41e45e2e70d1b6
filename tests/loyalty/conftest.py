"""What most tests of points begin with; a module that needs another shop or programme has its own."""

import pytest

from tests.factories import make_program, make_store


@pytest.fixture
def store():
    return make_store()


@pytest.fixture
def program(store):
    return make_program(store)
