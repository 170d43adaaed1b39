"""Bugs in the use of the idempotency utility of Powertools for AWS Lambda, and a table to keep its records in."""

from __future__ import annotations

import datetime as dt

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import (
    BasePersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord

from tests.handlers.case import PARTIAL, bug
from tests.handlers.keys import Ledger

DAY_S = 86_400


class Table(dict):
    """A table with the conditional write that the utility asks of DynamoDB."""

    def put_if_free(self, row, now_ms):
        """Return whether the row was put."""
        old = self.get(row["idempotency_key"])
        if old is not None and old["expiry_timestamp"] >= now_ms // 1_000:
            ends_ms = old["in_progress_expiry_timestamp"]
            if old["status"] != "INPROGRESS" or ends_ms is None or ends_ms >= now_ms:
                return False
        self[row["idempotency_key"]] = row
        return True


class Layer(BasePersistenceLayer):
    """A persistence layer as its documentation tells users to write one."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    @staticmethod
    def row(record):
        return {
            "idempotency_key": record.idempotency_key,
            "status": record._status,
            "expiry_timestamp": record.expiry_timestamp,
            "in_progress_expiry_timestamp": record.in_progress_expiry_timestamp,
            "response_data": record.response_data,
        }

    def _get_record(self, idempotency_key):
        row = self.table.get(idempotency_key)
        if row is None:
            raise IdempotencyItemNotFoundError
        return DataRecord(**row)

    def _put_record(self, data_record):
        now_ms = round(dt.datetime.now(dt.UTC).timestamp() * 1_000)
        if not self.table.put_if_free(self.row(data_record), now_ms):
            raise IdempotencyItemAlreadyExistsError

    def _update_record(self, data_record):
        self.table[data_record.idempotency_key] = self.row(data_record)

    def _delete_record(self, data_record):
        self.table.pop(data_record.idempotency_key, None)


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
