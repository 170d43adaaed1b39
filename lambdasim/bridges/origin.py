"""Which service and Region a request is meant for, and whose it is: read from its signature and its host."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_SERVICES: Final = {"sqs": "sqs", "sqs-fips": "sqs", "lambda": "lambda", "lambda-fips": "lambda"}


class Origin(NamedTuple):
    """What is known of a request before it is read; None is what nobody says."""

    service: str | None
    region: str | None
    access_key_id: str | None


class Place(NamedTuple):
    """What a host says."""

    service: str | None
    region: str | None


def origin_of(host: str, credential: str | None) -> Origin:
    """Return what a request is meant for. The scope of its *credential* counts, and else its *host*."""
    place = place_of(host)
    if credential is None:
        return Origin(place.service, place.region, None)
    # An access key, a date, a Region, a service and "aws4_request"; a signature for several Regions names none.
    key, *scope = credential.rsplit("/", 4)
    if len(scope) == 4:
        return Origin(scope[2], scope[1], key)
    key, *scope = credential.rsplit("/", 3)
    return Origin(scope[1] if len(scope) == 3 else place.service, place.region, key)


def credential_of(authorization: str | None) -> str | None:
    """Return the credential, an access key and its scope, that the header `Authorization` names."""
    if authorization is None:
        return None
    _, found, rest = authorization.partition("Credential=")
    return rest.partition(",")[0].strip() if found else None


@lru_cache(maxsize=256)
def place_of(host: str) -> Place:
    """
    Return the service and the Region that a host belongs to.

    >>> place_of("sqs.eu-west-1.amazonaws.com"), place_of("vpce-0f-1a.lambda.us-east-2.vpce.amazonaws.com")
    (Place(service='sqs', region='eu-west-1'), Place(service='lambda', region='us-east-2'))
    """
    labels = host.lower().partition(":")[0].split(".")
    for number, label in enumerate(labels):
        if label in _SERVICES:
            return Place(_SERVICES[label], _region(labels[number + 1 : number + 2]))
        if label == "queue" and "amazonaws" in labels:  # hosts of queue URLs before there was sqs.*
            return Place("sqs", _region(labels[number - 1 : number]) if number else "us-east-1")
    return Place(None, None)


def _region(labels: list[str]) -> str | None:
    return next((label for label in labels if _REGION.fullmatch(label)), None)


__all__ = ["Origin", "Place", "credential_of", "origin_of", "place_of"]
