"""Lists in pages (SQS-051, SQS-052)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from lambdasim.errors.sqs import InvalidParameterValueException
from lambdasim.sqs.checks import check_number, check_text
from lambdasim.sqs.limits import LIST_MAX
from lambdasim.sqs.results import ListQueuesResult

_PREFIX: Final = "after:"


def page(urls: Sequence[str], max_results: int | None, next_token: str | None) -> ListQueuesResult:
    """
    Return one page of URLs that are sorted by name; a token names the last one of the page before.

    Raises:
        InvalidParameterValueException: *max_results* is no integer from 1 to 1,000, or the token is none of ours.
    """
    limit = LIST_MAX if max_results is None else max_results
    check_number(limit, "max_results")
    if not 1 <= limit <= LIST_MAX:
        msg = (
            "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and "
            f"{LIST_MAX}."
        )
        raise InvalidParameterValueException(msg)
    first = 0
    if next_token is not None:
        name = _name_of(check_text(next_token, "next_token"))
        first = next((place for place, url in enumerate(urls) if _last_part(url) > name), len(urls))
    found = tuple(urls[first : first + limit])
    has_more = first + limit < len(urls)
    token = _token_of(_last_part(found[-1])) if has_more and max_results is not None else None
    return ListQueuesResult(found, token)


def _last_part(url: str) -> str:
    return url.rsplit("/", 1)[-1]


def _token_of(name: str) -> str:
    return urlsafe_b64encode(f"{_PREFIX}{name}".encode()).decode()


def _name_of(token: str) -> str:
    try:
        text = urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        text = ""
    if not text.startswith(_PREFIX):
        msg = "Invalid or expired next token."
        raise InvalidParameterValueException(msg)
    return text.removeprefix(_PREFIX)
