"""A persistence layer for the idempotency utility of Powertools for AWS Lambda, and the table behind it."""

from __future__ import annotations

import datetime as dt

from aws_lambda_powertools.utilities.idempotency import BasePersistenceLayer
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord

UNIX = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Table(dict):
    """A table with the conditional write that Powertools asks of DynamoDB."""

    def __init__(self):
        super().__init__()
        self.writes = 0

    def put_if_free(self, row, now_ms):
        """Return whether the row was put."""
        self.writes += 1
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
        now_ms = (dt.datetime.now(dt.UTC) - UNIX) // dt.timedelta(milliseconds=1)
        if not self.table.put_if_free(self.row(data_record), now_ms):
            raise IdempotencyItemAlreadyExistsError

    def _update_record(self, data_record):
        self.table[data_record.idempotency_key] = self.row(data_record)

    def _delete_record(self, data_record):
        self.table.pop(data_record.idempotency_key, None)
