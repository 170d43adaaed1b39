"""What may go wrong in a mapping, and who is asked about each (ESM-310)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import field, fields, frozen

from lambdasim.clock import Clock
from lambdasim.clock.choices import Labelled, Lots
from lambdasim.settings import number

_probability: Final = number(0, 1)


@frozen(kw_only=True)
class EsmFaults:
    """
    What may go wrong in event source mappings, for a simulation or for one of them; everything is off by default.

    A weight is the probability of leaving what mostly happens, for whoever draws lots; the other options share it.
    What the queue itself may do belongs to `SqsFaults`.

    Rules: ESM-310.
    """

    dispatch: float = field(default=0.0, validator=_probability)  #: another waiting slot gets a receive (ESM-084)
    poll_error: float = field(default=0.0, validator=_probability)  #: a receive fails; the slot polls again after 1 s
    split_receive: float = field(default=0.0, validator=_probability)  #: a receive takes one, or half, of what it could
    poller_lost: float = field(default=0.0, validator=_probability)  #: a slot dies with its batch, another comes
    delete_fails: float = field(default=0.0, validator=_probability)  #: one entry of a delete is refused
    system_error: float = field(default=0.0, validator=_probability)  #: an attempt ends with 500 (ESM-150)
    overshoot: float = field(default=0.0, validator=_probability)  #: a slot that is one too many lives on (ESM-107)
    retry_delay: float = field(default=0.0, validator=_probability)  #: half, or one and a half times the delay
    window: float = field(default=0.0, validator=_probability)  #: a batch waits as on a quiet queue (ESM-088)
    disabled_by_lambda: float = field(default=0.0, validator=_probability)  #: access is denied, the mapping stops


class EsmLuck:
    """What the faults of one mapping leave to chance."""

    __slots__ = ("_lots", "is_any")

    def __init__(self, faults: EsmFaults, clock: Clock, owner: str, label: str = "") -> None:
        weights = {f"esm.{entry.name}": getattr(faults, entry.name) for entry in fields(EsmFaults)}
        self._lots = Lots(clock, owner, weights, label)
        self.is_any = any(weights.values())

    @property
    def picks(self) -> bool:
        """Whether another slot than the usual one may get a receive."""
        return self._lots.may("esm.dispatch")

    def pick(self, slots: Sequence[int]) -> int:
        """Ask which of the waiting slots gets a receive."""
        return self._lots.ask("esm.dispatch", [f"slot {number}" for number in slots])

    def fails_poll(self) -> bool:
        """Ask whether a receive fails."""
        return self._lots.ask("esm.poll_error", ("none", "fails")) == 1

    def limit(self, usual: int, visible: int) -> int:
        """Ask how many messages a receive takes, of so many that are there."""
        could = min(usual, visible)
        if could < 2:
            return usual
        return (usual, 1, could // 2)[self._lots.ask("esm.split_receive", ("all it can get", "1", "half"))]

    def _ask_of(self, messages: Sequence[Labelled], name: str, options: Sequence[str]) -> int:
        """Ask about a batch, which goes by its first message."""
        return self._lots.ask(name, options, messages[0] if messages else None, messages)

    def loses_poller(self, when: str, messages: Sequence[Labelled] = ()) -> bool:
        """Ask whether a slot dies: after a receive, or before its delete."""
        return self._ask_of(messages, "esm.poller_lost", ("none", f"lost {when}")) == 1

    def refused_entry(self, messages: Sequence[Labelled]) -> int | None:
        """Ask which entry of a delete is refused; None: none."""
        options = ["none", *(f"that of {message.label} refused" for message in messages)]
        choice = self._ask_of(messages, "esm.delete_fails", options)
        return choice - 1 if choice else None

    def fails_attempt(self, messages: Sequence[Labelled] = ()) -> bool:
        """Ask whether Lambda fails at an attempt."""
        return self._ask_of(messages, "esm.system_error", ("none", "500")) == 1

    def overshoots(self) -> bool:
        """Ask whether a slot that should retire lives for one more turn."""
        return self._lots.ask("esm.overshoot", ("retires", "one more turn")) == 1

    def delay_us(self, usual_us: int, messages: Sequence[Labelled] = ()) -> int:
        """Ask how long a retry of a throttled batch waits."""
        choice = self._ask_of(messages, "esm.retry_delay", ("as it is", "half", "one and a half"))
        return (usual_us, usual_us // 2, usual_us * 3 // 2)[choice]

    def waits_as_on_quiet_queue(self, messages: Sequence[Labelled] = ()) -> bool:
        """Ask whether a batch waits for whole receives."""
        return self._ask_of(messages, "esm.window", ("as set", "as on a quiet queue")) == 1

    def denies_access(self, messages: Sequence[Labelled] = ()) -> bool:
        """Ask whether Lambda does not let the mapping go on."""
        return self._ask_of(messages, "esm.disabled_by_lambda", ("none", "access denied")) == 1
