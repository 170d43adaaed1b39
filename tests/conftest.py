"""
What every test is given: a fresh simulation, clock and queue, and how hard Hypothesis tries; and which tests run.

Tests marked `slow` run with `--slow`. `LAMBDASIM_HYPOTHESIS` chooses the profile of Hypothesis. `fast`, the default, is
small and the same in every run; so is `thorough`, which is larger. `nightly` is large and freshly seeded; the head of
the report prints the seed, and `--hypothesis-seed` plays it again.
"""

from __future__ import annotations

import gc
import os
from secrets import randbits

import pytest
from hypothesis import HealthCheck, settings

from lambdasim import Clock, Queue, Simulation

PROFILES = ("fast", "thorough", "nightly")
PROFILE = os.environ.get("LAMBDASIM_HYPOTHESIS", "fast")

settings.register_profile(
    "fast",
    max_examples=20,
    stateful_step_count=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    max_examples=50,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly",
    max_examples=1_000,
    stateful_step_count=100,
    derandomize=False,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


@pytest.hookimpl(tryfirst=True)  # before the plugin of Hypothesis reads its options
def pytest_configure(config):
    if PROFILE not in PROFILES:
        raise pytest.UsageError(f"LAMBDASIM_HYPOTHESIS={PROFILE!r} is none of {', '.join(PROFILES)}")
    settings.load_profile(PROFILE)
    if PROFILE == "nightly" and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(randbits(64))
    gc.set_threshold(20_000, 10, 10)  # simulations make many objects and few cycles: looking for those took long


def pytest_collection_modifyitems(config, items):
    if not config.option.slow:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("slow")])
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


def pytest_collection_finish():
    """Thousands of tests stay in memory until the end; no search for garbage need look at them again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip what an older botocore has no parameter for: its clients say so before they call anybody."""
    try:
        return (yield)
    except Exception as error:
        if type(error).__name__ == "ParamValidationError" and "Unknown parameter in " in str(error):
            from tests.bridge_lambda import IS_TODAYS_BOTOCORE

            if not IS_TODAYS_BOTOCORE:
                pytest.skip(f"botocore is older than this: {error}")
        raise


def pytest_report_header(config):
    seed = config.option.hypothesis_seed
    return f"lambdasim: Hypothesis profile {PROFILE}" + ("" if seed is None else f", --hypothesis-seed={seed}")


@pytest.fixture
def sim():
    return Simulation()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(sim):
    return sim.create_queue("orders")


@pytest.fixture
def lone_queue(clock):
    """A queue without a simulation."""
    return Queue("orders", clock)
