"""What a driver imports, for the process that all drivers of tests are forked from."""

import tests.run.drivers
import tests.store.writers  # noqa: F401
