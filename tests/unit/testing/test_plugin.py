"""The plugin for pytest: what it gives to tests, what it tells of failures, and that it is not there otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import boto3  # noqa: F401 - a pytest inside this one forgets what it imports itself
import botocore.endpoint
import pytest

from lambdasim.testing import assert_idempotent, plugin, simulations  # noqa: F401 - as above

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[3]
LOADED = () if entry_points(group="pytest11", name="lambdasim") else ("-p", "_lambdasim_pytest")

IMPORTS = """
    import pytest
    from unittest.mock import Mock
    from hypothesis import Phase, given, settings
    from hypothesis import strategies as st
    from lambdasim import Benign, Faults, RedrivePolicy, Scripted, Seeded, Simulation
    from lambdasim.testing import assert_idempotent, replay, simulations

    def charge_once(sim):
        done, charges = sim.remote(set(), name="done"), sim.remote([], name="charges")

        def charge(event, context):
            for record in event["Records"]:
                if record["body"] not in done:
                    charges.append(record["body"])
                    done.add(record["body"])

        orders = sim.create_queue("orders")
        sim.create_event_source_mapping(orders, sim.create_function("charge", charge))
        orders.send_message("o-1")
        sim.run()
        return charges
"""
TIMELINE = "*- lambdasim timeline -*"
RAISED = "*- exceptions raised by handlers -*"
AGAIN = "*- lambdasim: to play it again -*"
SENT = "* orders#1 * sent: 'bad'*"


@pytest.fixture
def run(pytester, monkeypatch):
    """Run tests, given as text, in a pytest of their own inside this process."""
    for name in ("CI", "BUILD_NUMBER"):  # with which pytest shows all of a difference
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(pytester.path / "hypothesis"))

    def run(text="", *args):
        pytester.makepyfile(test_it=dedented(IMPORTS) + dedented(text))
        return pytester.runpytest_inprocess(*LOADED, "-Wdefault", "-p", "no:cacheprovider", *args)

    return run


def dedented(text):
    lines = text.splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[indent:] for line in lines) + "\n"


# ---- tests that pass


def test_first_test_runs_as_written_and_nothing_is_told(run):
    result = run("""
        def test_poison_is_dead_lettered(sim):
            dlq = sim.create_queue("orders-dlq")
            orders = sim.create_queue("orders", redrive_policy=RedrivePolicy(dlq, max_receive_count=3))
            handler = Mock(side_effect=ValueError("poison"))
            sim.create_event_source_mapping(orders, sim.create_function("worker", handler))
            orders.send_message("bad")
            sim.run()
            assert [m.body for m in dlq.messages] == ["bad"] and sim.now == 90
    """)
    result.assert_outcomes(passed=1)
    told = [line for line in result.outlines if not line.startswith("plugins: ")]
    assert not any(word in line for line in told for word in ("lambdasim", "poison", "orders"))


def test_deployed_module_runs_unmodified(run, pytester):
    pytester.makepyfile(
        app="""
        import os
        import boto3

        sqs = boto3.client("sqs")
        URL = os.environ["INVOICES_QUEUE_URL"]

        def handler(event, context):
            for record in event["Records"]:
                sqs.send_message(QueueUrl=URL, MessageBody="invoice for " + record["body"])
        """
    )
    result = run("""
        def test_each_order_is_invoiced(sim):
            orders, invoices = sim.create_queue("orders"), sim.create_queue("invoices")
            worker = sim.create_function("worker", "app.handler", environment={"INVOICES_QUEUE_URL": invoices.url})
            sim.create_event_source_mapping(orders, worker)
            sim.client("sqs").send_message(QueueUrl=orders.url, MessageBody="o-1")
            sim.run()
            assert [m.body for m in invoices.messages] == ["invoice for o-1"]
    """)
    result.assert_outcomes(passed=1)


def test_simulation_is_as_the_test_tools_build_it(run):
    result = run("""
        def test_it(sim):
            assert (sim.execution, sim.trace.limit, sim.clock.pace_us, sim.seed) == ("interleaved", None, 1_000, 0)
            assert sim.faults is None
    """)
    result.assert_outcomes(passed=1)


def test_each_test_has_a_simulation_of_its_own(run):
    result = run("""
        class TestOrders:
            def test_one(self, sim):
                sim.create_queue("orders")

            def test_other(self, sim):
                assert not sim.queues

            @staticmethod
            def test_static(sim):
                assert not sim.queues
    """)
    result.assert_outcomes(passed=3)


def test_fixture_of_a_project_may_build_on_ours(run):
    result = run("""
        @pytest.fixture
        def sim(sim):
            sim.create_queue("orders")
            return sim

        def test_it(sim):
            assert [queue.name for queue in sim.queues] == ["orders"]
    """)
    result.assert_outcomes(passed=1)


def test_simulations_of_tests_that_are_over_are_let_go(run):
    result = run("""
        import weakref

        SEEN = []

        @pytest.mark.parametrize("number", range(3))
        def test_it(sim, number):
            SEEN.append(weakref.ref(sim))

        def test_none_is_left():
            import gc
            gc.collect()
            assert [seen() for seen in SEEN] == [None] * 3
    """)
    result.assert_outcomes(passed=4)


# ---- tests that fail


FAILING = """
    def handle(event, context):
        raise ValueError("poison")

    def test_it(sim):
        orders = sim.create_queue("orders", visibility_timeout=30)
        sim.create_event_source_mapping(orders, sim.create_function("worker", handle))
        orders.send_message("bad")
        sim.run(until=40)
        assert not orders.messages, "still there"
"""


@pytest.mark.parametrize("option", ["--tb=auto", "--tb=short", "--show-capture=no"])
def test_failure_shows_the_timeline_and_what_handlers_raised(run, option):
    result = run(FAILING, option)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: still there*",
            TIMELINE,
            SENT,
            "*worker#2*raised ValueError('poison')",
            RAISED,
            "worker#1 @0, worker#2 @30:",
            "Traceback (most recent call last):",
            '  File "*test_it.py", line *, in handle',
            '    raise ValueError("poison")',
            "ValueError: poison",
        ]
    )
    told = result.stdout.str().partition("exceptions raised")[2]
    assert told.count("ValueError: poison") == 1
    assert str(ROOT / "lambdasim") not in told
    result.stdout.no_fnmatch_line(AGAIN)  # there is nothing that the test does not do by itself


def test_sections_are_in_files_of_results(run, pytester):
    run(FAILING, "--junit-xml=results.xml")
    told = (pytester.path / "results.xml").read_text(encoding="utf-8")
    assert "lambdasim timeline" in told
    assert "ValueError: poison" in told


def test_distinct_exceptions_are_told_up_to_some_number(run):
    result = run("""
        def handle(event, context):
            raise ValueError(event["Records"][0]["body"])

        def test_it(sim):
            orders = sim.create_queue("orders")
            worker = sim.create_function("worker", handle)
            sim.create_event_source_mapping(orders, worker, batch_size=1)
            for number in range(7):
                orders.send_message(f"o-{number}")
            sim.run(until=10)
            assert orders.is_fifo
    """)
    told = result.stdout.str().partition("exceptions raised")[2]
    assert told.count("ValueError: o-") == 5
    result.stdout.fnmatch_lines(["… and 2 others"])


def test_assertion_of_a_handler_is_told_once(run):
    result = run("""
        def handle(event, context):
            assert event["Records"][0]["body"] == "good"

        def test_it(sim):
            orders = sim.create_queue("orders")
            sim.create_event_source_mapping(orders, sim.create_function("worker", handle))
            orders.send_message("bad")
            sim.run()
    """)
    result.stdout.fnmatch_lines(["E*AssertionError: assert 'bad' == 'good'*", TIMELINE])
    result.stdout.no_fnmatch_line(RAISED)


def test_causes_are_told_without_frames_of_libraries(run):
    result = run("""
        import json

        def handle(event, context):
            try:
                json.loads("{")
            except ValueError as error:
                raise RuntimeError("no order") from error

        def test_it(sim):
            sim.create_function("worker", handle).invoke({})
            assert sim.now > 1
    """)
    told = result.stdout.str().partition("exceptions raised")[2]
    assert "JSONDecodeError" in told
    assert "direct cause" in told
    assert "RuntimeError: no order" in told
    assert "decoder.py" not in told


SEND = "sim.create_queue('orders').send_message('bad')"


@pytest.mark.parametrize(
    ("before", "after", "test", "outcomes"),
    [
        (f"{SEND}; 1 / 0", "pass", "pass", {"errors": 1}),
        ("pass", f"{SEND}; 1 / 0", "pass", {"passed": 1, "errors": 1}),
        (SEND, "1 / 0", "pass", {"passed": 1, "errors": 1}),
        (SEND, "1 / 0", "assert full", {"failed": 1, "errors": 1}),
    ],
)
def test_story_is_told_once_wherever_a_test_fails(run, before, after, test, outcomes):
    result = run(f"""
        @pytest.fixture
        def full(sim):
            {before}
            yield
            {after}

        def test_it(full):
            {test}
    """)
    result.assert_outcomes(**outcomes)
    assert result.stdout.str().count("lambdasim timeline") == 1
    result.stdout.fnmatch_lines([SENT])


def test_skipped_and_expected_failures_tell_nothing(run):
    result = run("""
        @pytest.mark.xfail(strict=True)
        def test_expected(sim):
            assert sim.queues

        def test_skipped(sim):
            pytest.skip("another day")

        @pytest.mark.xfail(strict=True)
        def test_passes_against_expectation(sim):
            pass
    """)
    result.assert_outcomes(xfailed=1, skipped=1, failed=1)
    result.stdout.no_fnmatch_line(TIMELINE)


def test_what_cannot_be_told_does_not_hide_the_failure(run):
    result = run("""
        def test_it(sim):
            def timeline():
                raise KeyError("oops")

            sim.timeline = timeline
            assert sim.queues, "none"
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*AssertionError: none*", TIMELINE, "it cannot be told: KeyError: 'oops'"])


def test_drawn_simulations_are_told_once(run):
    result = run(
        """
        @settings(database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])
        @given(sim=simulations(faults=Faults(duplicate_probability=0.1)))
        def test_it(sim):
            def handle(event, context):
                raise ValueError("poison")

            sim.create_function("worker", handle).invoke({})
            assert charge_once(sim) == ["o-1"]
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E*what happened:", 'E*@replay("duplicate orders#1 @0*")', RAISED, "ValueError: poison"]
    )
    result.stdout.no_fnmatch_line(TIMELINE)
    assert result.stdout.str().count("sent: 'o-1'") == 1


def test_third_program_fails_as_it_should(run):
    result = run("""
        @replay("duplicate_delivery orders#1 @0")
        @given(sim=simulations())
        def test_nobody_is_charged_twice(sim):
            assert charge_once(sim) == ["o-1"]
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*assert ?'o-1', 'o-1'? == ?'o-1'?",
            "E*Left contains one more item: 'o-1'",
            "E*what happened:",
            "E*charge#2*'o-1' in done -> False",
            "E*charge#2*charges.append('o-1')",
            "E*to play it again:",
            'E*@replay("duplicate orders#1 @0")',
        ]
    )


# ---- scripts

RACE = """
    def test_it(sim):
        assert charge_once(sim) == ["o-1"]
"""
SCRIPT = "duplicate orders#1 @0"


@pytest.mark.parametrize(
    "above",
    [
        f'@replay("{SCRIPT}")',
        f'@pytest.mark.lambdasim(replay="{SCRIPT}")',
        f'@pytest.mark.parametrize("place", [pytest.param(1, marks=pytest.mark.lambdasim(replay="{SCRIPT}"))])',
        f'@pytest.mark.lambdasim(replay="{SCRIPT}", faults=Faults(duplicate_probability=0.1))',
        f'@pytest.mark.lambdasim(choices=Scripted("{SCRIPT}"))',
        f'@pytest.mark.lambdasim(choices=lambda: Scripted("{SCRIPT}"))',
    ],
)
def test_script_is_played_and_told(run, above):
    parameters = "sim, place" if "parametrize" in above else "sim"
    result = run(f"""
        {above}
        def test_it({parameters}):
            assert charge_once(sim) == ["o-1"]
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            TIMELINE,
            "*!*orders#1*",
            AGAIN,
            f'@replay("{SCRIPT}")',
            f"pytest *test_it.py::test_it* --lambdasim-replay='{SCRIPT}'",
        ]
    )


def test_scripts_are_played_in_classes(run):
    result = run(f"""
        @pytest.mark.lambdasim(replay="{SCRIPT}")
        class TestIt:
            def test_of_the_class(self, sim):
                assert charge_once(sim) == ["o-1"]

            @replay("duplicate=2 orders#1 @0")
            def test_of_its_own(self, sim):
                charge_once(sim)
                assert sim.script == "duplicate=2 orders#1 @0"
    """)
    result.assert_outcomes(failed=1, passed=1)


def test_script_of_the_command_line_is_played_by_fixtures_and_by_what_is_drawn(run):
    text = f"""
        {dedented(RACE).replace(chr(10), chr(10) + " " * 8)}
        @given(sim=simulations(), number=st.integers(0, 9))
        def test_drawn(sim, number):
            assert charge_once(sim) == ["o-1"]

        def test_other():
            assert True

        @replay("crash charge#1 @0.001")
        def test_has_another(sim):
            assert charge_once(sim) == ["o-1"]
    """
    result = run(text, f"--lambdasim-replay={SCRIPT}")
    result.assert_outcomes(failed=3, passed=1)
    result.stdout.fnmatch_lines([f"lambdasim: replay {SCRIPT}", f'E*@replay("{SCRIPT}")'])


def test_command_of_the_report_plays_it_again(run):
    result = run(f"@pytest.mark.lambdasim(choices=Scripted({SCRIPT!r}))\n{dedented(RACE)}")
    (line,) = (line for line in result.outlines if line.startswith("pytest "))
    assert "--lambdasim-replay='duplicate orders#1 @0'" in line
    result = run(RACE, "--lambdasim-replay=duplicate orders#1 @0")
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("above", "options"),
    [
        ('@replay("duplicate orders#9 @5")', []),
        ('@pytest.mark.lambdasim(replay="duplicate orders#9 @5")', []),
        ("", ["--lambdasim-replay=duplicate orders#9 @5"]),
    ],
)
def test_step_that_no_longer_applies_is_a_warning(run, above, options):
    result = run(f"{above}\n{dedented(RACE)}", *options)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*test_it.py:*ReplayWarning: *that no longer apply: duplicate orders#9 @5"])


def test_step_that_nothing_drawn_plays_is_one_warning(run):
    text = """
        @given(sim=simulations(), number=st.integers(0, 9))
        def test_drawn(sim, number):
            assert charge_once(sim) == ["o-1"]
    """
    result = run(text, "--lambdasim-replay=duplicate orders#9 @5")
    result.assert_outcomes(passed=1, warnings=1)


def test_failing_test_does_not_warn_of_steps(run):
    result = run("""
        @replay("duplicate orders#9 @5")
        def test_it(sim):
            assert sim.queues
    """)
    result.assert_outcomes(failed=1, warnings=0)


@pytest.mark.parametrize(
    "text",
    [
        f'@replay("{SCRIPT}")\ndef test_it(): pass',
        f'@pytest.fixture\ndef sim():\n    return Simulation()\n@replay("{SCRIPT}")\ndef test_it(sim): pass',
        f'@settings(max_examples=1)\n@given(sim=simulations())\n@replay("{SCRIPT}")\ndef test_it(sim): pass',
    ],
)
def test_script_that_nobody_plays_is_a_warning(run, text):
    result = run(text)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*ReplayWarning: this @replay plays nothing*"])


# ---- options


@pytest.mark.parametrize(
    ("option", "ini", "above", "seed"),
    [
        ([], "", "", 0),
        (["--lambdasim-seed=7"], "", "", 7),
        ([], "lambdasim_seed = 8", "", 8),
        (["--lambdasim-seed=7"], "lambdasim_seed = 8", "", 7),
        (["--lambdasim-seed=7"], "", "@pytest.mark.lambdasim(seed=9)", 9),
        ([], "", "@pytest.mark.lambdasim(seed=9)", 9),
    ],
)
def test_nearest_seed_holds(run, pytester, option, ini, above, seed):
    pytester.makeini(f"[pytest]\n{ini}\n")
    result = run(
        f"""
        from lambdasim.testing.defaults import defaults

        {above}
        def test_it(sim):
            assert sim.seed == {seed}

        @settings(max_examples=1)
        @given(sim=simulations())
        def test_drawn(sim):
            assert sim.seed == defaults().seed
        """,
        *option,
    )
    result.assert_outcomes(passed=2)


def test_seed_is_told_where_it_is_not_the_default(run):
    result = run("def test_it(sim): assert sim.queues", "--lambdasim-seed=7")
    result.stdout.fnmatch_lines(["lambdasim: seed 7", AGAIN, "pytest test_it.py::test_it --lambdasim-seed=7"])


def test_seed_draws_lots_where_faults_are_given(run):
    text = """
        @pytest.mark.lambdasim(faults=Faults(duplicate_probability=0.5))
        def test_it(sim):
            orders = sim.create_queue("orders")
            sim.create_event_source_mapping(orders, sim.create_function("worker"))
            for number in range(5):
                orders.send_message("a")
            sim.run()
            assert sim.script == ""
    """
    scripts = set()
    for seed in ("1", "2"):
        result = run(text, f"--lambdasim-seed={seed}")
        result.assert_outcomes(failed=1)
        scripts.update(line for line in result.outlines if line.startswith("@replay("))
    assert len(scripts) == 2


def test_profile_says_how_many_runs_are_played(run):
    text = """
        from lambdasim.testing.defaults import defaults

        def make(sim):
            orders = sim.remote({})
            return lambda event, _: [orders.setdefault(r["body"], 1) for r in event["Records"]], lambda: orders

        def test_it():
            assert defaults().runs == RUNS

        def test_everything_is_played():
            report = assert_idempotent(make, ["o-1"], at_most=1)
            assert 10 < report.runs < 1_000
            assert assert_idempotent(make, ["o-1"], at_most=1, runs=5).runs == 5
    """
    for runs, options in (
        (1_000, []),
        (1_000, ["--lambdasim-profile=everyday"]),
        (10_000, ["--lambdasim-profile=nightly"]),
    ):
        result = run(f"RUNS = {runs}\n{dedented(text)}", *options)
        result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("options", "ini", "complaint"),
    [
        (["--lambdasim-replay=duplicate orders"], "", "*'duplicate orders' is no step of a script*"),
        ([], "lambdasim_replay = duplicate orders", "*'duplicate orders' is no step of a script*"),
        (["--lambdasim-profile=weekly"], "", "*weekly*"),
        ([], "lambdasim_profile = weekly", "*'weekly' is none of everyday, nightly"),
        (["--lambdasim-seed=x"], "", "*'x'*"),
        ([], "lambdasim_seed = x", "*lambdasim_seed: 'x' is no whole number"),
    ],
)
def test_option_that_means_nothing_is_refused(run, pytester, options, ini, complaint):
    pytester.makeini(f"[pytest]\n{ini}\n")
    result = run("def test_it(): pass", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([complaint])


def test_options_markers_and_fixture_are_explained(pytester):
    told = pytester.runpytest_inprocess(*LOADED, "--help").stdout
    told.fnmatch_lines(["simulated Amazon SQS and AWS Lambda:", "*--lambdasim-seed=N*", "*--lambdasim-replay=SCRIPT*"])
    told.fnmatch_lines(["*--lambdasim-profile={everyday,nightly}*", "*lambdasim_seed*", "*lambdasim_profile*"])
    pytester.runpytest_inprocess(*LOADED, "--markers").stdout.fnmatch_lines(["@pytest.mark.lambdasim(seed=0, *"])
    told = pytester.runpytest_inprocess(*LOADED, "--fixtures").stdout
    told.fnmatch_lines(["sim -- *_lambdasim_pytest.py:*", "*A simulation of Amazon SQS and AWS Lambda*"])


# ---- the marker


def test_markers_of_module_class_and_test_add_up(run):
    result = run(
        """
        pytestmark = pytest.mark.lambdasim(seed=1, region="eu-west-1")

        @pytest.mark.lambdasim(seed=2, faults=Faults(crash=0.5))
        class TestIt:
            @pytest.mark.lambdasim(execution="plain", trace=5)
            def test_nearest(self, sim):
                assert (sim.seed, sim.region, sim.execution, sim.trace.limit) == (2, "eu-west-1", "plain", 5)
                assert sim.faults == Faults(crash=0.5)

        def test_module(sim):
            assert (sim.seed, sim.faults) == (1, None)
        """,
        "--strict-markers",
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("given", ["1", "choices=7", "sede=1", "replay='duplicate orders'"])
def test_marker_that_means_nothing_is_refused(run, given):
    result = run(f"@pytest.mark.lambdasim({given})\ndef test_it(sim): pass")
    result.assert_outcomes(errors=1)


def test_tests_do_not_share_a_chooser(run):
    result = run("""
        seen = []

        @pytest.mark.lambdasim(choices=Seeded(3), faults=Faults(duplicate_probability=0.5))
        @pytest.mark.parametrize("number", range(3))
        def test_it(sim, number):
            orders = sim.create_queue("orders")
            sim.create_event_source_mapping(orders, sim.create_function("worker"))
            for number in range(5):
                orders.send_message("a")
            sim.run()
            seen.append(sim.script)
            assert seen[0] and set(seen) == {seen[0]}

        @pytest.mark.lambdasim(choices=Benign)
        def test_class(sim):
            assert charge_once(sim) == ["o-1"]
    """)
    result.assert_outcomes(passed=4)


# ---- boto3

METHODS = ("_do_get_response", "_needs_retry")


@pytest.mark.parametrize(
    ("body", "outcomes"),
    [
        ("pass", {"passed": 1}),
        ("assert False", {"failed": 1}),
        ("raise SystemExit", {"failed": 1}),
        ("sim.patch_boto3(sleep=True).__enter__()", {"passed": 1}),
        ("Simulation().patch_boto3().__enter__(); sim.patch_boto3().__enter__(); assert False", {"failed": 1}),
        ("raise KeyboardInterrupt", None),
        ("pytest.exit('enough')", {}),
    ],
)
def test_nothing_stays_patched(run, body, outcomes):
    before = [getattr(botocore.endpoint.Endpoint, name) for name in METHODS], time.sleep, list(sys.meta_path)
    text = f"""
        import boto3

        def test_it(sim):
            boto3.client("sqs").create_queue(QueueName="orders")
            assert [queue.name for queue in sim.queues] == ["orders"]
            {body}
    """
    if outcomes is None:
        with pytest.raises(KeyboardInterrupt):
            run(text)
    else:
        run(text).assert_outcomes(**outcomes)
    after = [getattr(botocore.endpoint.Endpoint, name) for name in METHODS], time.sleep, list(sys.meta_path)
    assert before == after


def test_nothing_stays_patched_when_another_fixture_fails(run):
    before = [getattr(botocore.endpoint.Endpoint, name) for name in METHODS]
    result = run("""
        @pytest.fixture
        def broken(sim):
            raise OSError

        def test_it(broken):
            pass
    """)
    result.assert_outcomes(errors=1)
    assert before == [getattr(botocore.endpoint.Endpoint, name) for name in METHODS]


@pytest.mark.parametrize("is_installed", [True, False])
def test_boto3_is_left_alone_where_it_is_not_wanted_or_not_there(run, monkeypatch, is_installed):
    text = """
        from botocore.endpoint import Endpoint

        FOUND = Endpoint._do_get_response

        @pytest.mark.lambdasim(boto3=BOTO3)
        def test_it(sim):
            assert Endpoint._do_get_response is FOUND
            assert charge_once(sim) == ["o-1"]
    """
    if not is_installed:
        text = text.replace("from botocore.endpoint import Endpoint", "import sys; Endpoint = Mock()")
        monkeypatch.setitem(sys.modules, "botocore", None)
        monkeypatch.setitem(sys.modules, "boto3", None)
    run(text.replace("BOTO3", str(not is_installed))).assert_outcomes(passed=1)


# ---- other kinds of tests, other plugins


def test_async_tests_and_doctests_are_left_alone(run, pytester):
    pytester.makeconftest("""
        import asyncio, inspect
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(pyfuncitem):
            if inspect.iscoroutinefunction(pyfuncitem.obj):
                asyncio.run(pyfuncitem.obj(sim=pyfuncitem.funcargs["sim"]))
                return True
    """)
    pytester.makefile(
        ".txt",
        test_text="""
        >>> sim = getfixture("sim")
        >>> sim.create_queue("orders").name
        'orders'
        >>> 1 + 1
        2
        """,
    )
    result = run(
        """
        async def test_it(sim):
            assert charge_once(sim) == ["o-1"]

        def documented():
            '''
            >>> 1 + 1
            2
            '''

        class TestCase(__import__("unittest").TestCase):
            @pytest.fixture(autouse=True)
            def given(self, sim):
                self.sim = sim

            def test_it(self):
                assert charge_once(self.sim) == ["o-1"]
        """,
        "--doctest-modules",
    )
    result.assert_outcomes(passed=4)


def test_failing_doctest_shows_the_timeline(pytester):
    pytester.makefile(
        ".txt", test_text=">>> getfixture('sim').create_queue('orders').send_message('bad').body\n'good'\n"
    )
    result = pytester.runpytest_inprocess(*LOADED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*lambdasim timeline*", SENT])


def test_sections_travel_between_processes(run, pytester, monkeypatch):
    pytest.importorskip("xdist")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    result = run(
        FAILING + RACE.replace("test_it", "test_race"), "-n1", f"--lambdasim-replay={SCRIPT}", "--lambdasim-seed=3"
    )
    result.assert_outcomes(failed=2, warnings=0)
    result.stdout.fnmatch_lines([TIMELINE, SENT, RAISED, "ValueError: poison", AGAIN, f'@replay("{SCRIPT}")'])


# ---- inert

PROBE = """
import sys

import pytest

class Probe:
    def pytest_sessionfinish(self):
        print()
        print("loaded:", *(name for name in ("lambdasim", "hypothesis", "boto3", "botocore") if name in sys.modules))

sys.exit(pytest.main([*sys.argv[1:], "-q", "-p", "_lambdasim_pytest", "-p", "no:cacheprovider"], plugins=[Probe()]))
"""


@pytest.mark.parametrize(("parameter", "loaded"), [("", "loaded:"), ("sim", "loaded: lambdasim")])
def test_nothing_is_imported_before_it_is_used(tmp_path, parameter, loaded):
    """Not the package where no test asks for it; and for a simulation, neither Hypothesis nor boto3."""
    (tmp_path / "test_it.py").write_text(f"def test_it({parameter}): pass\n", encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert loaded in result.stdout.splitlines()
