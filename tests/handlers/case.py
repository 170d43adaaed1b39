"""A handler of the corpus: how to make it, what is sent to it, and what its story must say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import getdoc
from types import ModuleType
from typing import Any

from attrs import frozen

from lambdasim.testing import assert_idempotent

PARTIAL = {"function_response_types": ("ReportBatchItemFailures",)}
ONE_BY_ONE = {"batch_size": 1}


@frozen
class Case:
    """One handler: `make`, and how `assert_idempotent` is called with it."""

    name: str
    make: Callable[[Any], tuple[Any, Callable[[], Any]]]
    messages: tuple[Any, ...]
    keywords: Mapping[str, Any]

    @property
    def docstring(self) -> str:
        return getdoc(self.make) or ""

    def play(self, **keywords: Any) -> Any:
        """Call `assert_idempotent`; `keywords` beside those of the case."""
        return assert_idempotent(self.make, list(self.messages), **self.keywords, **keywords)


@frozen
class Bug(Case):
    """A handler that is wrong."""

    by: frozenset[str]  #: kinds of misfortune that break it, as scripts call them
    misfortunes: int  #: how many of them it takes
    story: tuple[str, ...]  #: phrases of its story


def bug(*messages: Any, by: str, misfortunes: int = 1, story: Iterable[str] = (), **keywords: Any) -> Any:
    """
    Make a case of a `make(sim)`.

    Args:
        messages: That are sent; two are mostly enough.
        by: The kinds of misfortune that break it, as scripts call them, such as `crash stall`.
        misfortunes: How many of them it takes.
        story: Phrases that the story must have.
        keywords: Of `assert_idempotent`.
    """
    return lambda make: Bug(
        make.__name__, make, messages, keywords, frozenset(by.split()), misfortunes if by else 0, tuple(story)
    )


def correct(*messages: Any, **keywords: Any) -> Any:
    """Make a case of a `make(sim)` whose handler nothing may break."""
    return lambda make: Case(make.__name__, make, messages, keywords)


def cases_of(*modules: ModuleType) -> tuple[Any, ...]:
    """Return the cases that modules define, in their order."""
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, Case))


def in_group(*bodies: str, group: str = "g") -> tuple[dict[str, str], ...]:
    """Return messages of one group of a FIFO queue."""
    return tuple(
        {"message_body": body, "message_group_id": group, "message_deduplication_id": body.replace(" ", "-")}
        for body in bodies
    )
