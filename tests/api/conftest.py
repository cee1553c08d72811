"""What holds for tests that call the program's functions in their own process."""

from collections.abc import Iterator

import pytest

from tests.run.commands import process_as_it_was


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    with process_as_it_was():
        yield
