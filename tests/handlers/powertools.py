"""Bugs in the use of the idempotency utility of Powertools for AWS Lambda."""

from __future__ import annotations

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function

from tests.handlers.case import PARTIAL, bug
from tests.handlers.keys import Ledger
from tests.powertools import Layer, Table

DAY_S = 86_400


@bug("o-1", by="crash stall", **PARTIAL, story=["charges.append('o-1')"])
def payment_inside_the_utility(sim):
    """The utility knows what began and what ended, not what was done in between: that is done again."""
    table, charges = sim.remote(Table(), name="table"), sim.remote([], name="charges")

    def cold_start():
        config = IdempotencyConfig(event_key_jmespath="messageId", expires_after_seconds=DAY_S)
        processor = BatchProcessor(event_type=EventType.SQS)

        @idempotent_function(data_keyword_argument="record", persistence_store=Layer(table), config=config)
        def process(record):
            charges.append(record.body)

        def handler(event, context):
            config.register_lambda_context(context)
            return process_partial_response(event=event, record_handler=process, processor=processor, context=context)

        return handler

    return {"init": cold_start}, lambda: charges


@bug("o-1", by="crash stall", **PARTIAL, story=["table.put_if_free(", "-> False"])
def context_not_registered(sim):
    """Without the context the utility cannot know when an invocation must have ended: it waits for the dead."""
    table, ledger = sim.remote(Table(), name="table"), sim.remote(Ledger(), name="ledger")

    def cold_start():
        config = IdempotencyConfig(event_key_jmespath="messageId", expires_after_seconds=DAY_S)
        processor = BatchProcessor(event_type=EventType.SQS)

        @idempotent_function(data_keyword_argument="record", persistence_store=Layer(table), config=config)
        def process(record):
            ledger.pay(record.message_id, record.body)

        def handler(event, context):
            return process_partial_response(event=event, record_handler=process, processor=processor, context=context)

        return handler

    return {"init": cold_start}, lambda: list(ledger.values())
