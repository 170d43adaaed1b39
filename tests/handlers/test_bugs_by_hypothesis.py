"""Tests as people write them with Hypothesis find the same bugs, and shrink them to as little."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings

from lambdasim.clock.choices import parse_script
from lambdasim.testing import simulations
from tests.handlers.bugs import BY_NAME

EXPECTED = {
    "check_then_act": ["o-1"],
    "mark_before_work": ["o-1"],
    "work_before_mark": ["o-1"],
    "key_from_receipt_handle": ["o-1"],
    "ttl_shorter_than_redelivery": ["o-1"],
    "first_receive_only": ["o-1"],
    "locked_taken_for_done": ["o-1"],
    "atomic_but_not_idempotent": 3,
    "memory_of_a_warm_environment": ["o-1"],
    "swallows_the_exception": ["o-1", "o-2"],
    "removes_while_iterating": ["o-1", "o-2"],
    "two_queues_no_transaction": ["o-1"],
    "deletes_with_an_old_handle": ["o-1"],
}


EVERY_DAY = ("check_then_act", "work_before_mark", "key_from_receipt_handle", "atomic_but_not_idempotent")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in EVERY_DAY else [pytest.mark.slow]) for name in EXPECTED]
)
def test_it_is_found_and_shrunk(name):
    bug = BY_NAME[name]
    is_fifo = isinstance(bug.messages[0], dict)

    @settings(max_examples=100, database=None, derandomize=True)
    @given(sim=simulations())
    def property_of_the_handler(sim):
        handler, effects = bug.make(sim)
        given = handler if isinstance(handler, dict) else {"handler": handler}
        orders = sim.create_queue("orders.fifo" if is_fifo else "orders")
        worker = sim.create_function("worker", **given)
        partial = bug.keywords.get("function_response_types", ())
        size = bug.keywords.get("batch_size", 10)
        sim.create_event_source_mapping(orders, worker, batch_size=size, function_response_types=partial)
        for message in bug.messages:
            orders.send_message(**(message if is_fifo else {"message_body": message}))
        sim.run(until=600)
        done = effects()
        assert (sorted(done) if isinstance(done, list) else done) == EXPECTED[name]  # any order will do
        assert not orders.messages

    with pytest.raises(AssertionError) as raised:
        property_of_the_handler()
    notes = "\n".join(raised.value.__notes__)
    steps = parse_script(re.search(r'@replay\("(.*)"\)', notes)[1])
    assert 1 <= len(steps) <= bug.misfortunes + 1  # being held up twice may do as well as until the time is over
    assert {step.name for step in steps} <= bug.by
