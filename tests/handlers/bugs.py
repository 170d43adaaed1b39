"""All handlers with known bugs, by name."""

from __future__ import annotations

from tests.handlers import batches, chains, environments, keys, locks, order, powertools
from tests.handlers.case import cases_of

BUGS = cases_of(keys, locks, environments, batches, order, chains, powertools)
BY_NAME = {bug.name: bug for bug in BUGS}
