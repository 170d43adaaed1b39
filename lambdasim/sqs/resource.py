"""A queue as a resource: what is set on it and shown of it, who may find it, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, Unpack, cast

from attrs import evolve

from lambdasim.clock import Clock, Priority
from lambdasim.errors import SqsError, UsageError
from lambdasim.errors.sqs import (
    MissingRequiredParameterException,
    PurgeQueueInProgress,
    QueueDoesNotExist,
    QueueNameExists,
    RequestThrottled,
)
from lambdasim.settings import Settings
from lambdasim.sqs.attributes import (
    Attributes,
    QueueAttributes,
    change,
    check_keywords,
    check_names,
    is_same_policy,
    merge,
)
from lambdasim.sqs.checks import check_texts
from lambdasim.sqs.deduplication import Attempts, SentIds
from lambdasim.sqs.faults import SqsFaults
from lambdasim.sqs.handles import Handles
from lambdasim.sqs.latency import be_point, take_time
from lambdasim.sqs.limits import QUEUE_SETTINGS, SqsConfig, SqsCostModel
from lambdasim.sqs.names import check_name, queue_url
from lambdasim.sqs.paging import page
from lambdasim.sqs.permissions import add_permission, check_tags, remove_permission
from lambdasim.sqs.records import QUEUE_DELETED
from lambdasim.sqs.redrive import AllowPolicy, Redrive, RedrivePolicy
from lambdasim.sqs.results import GetQueueAttributesResult, ListQueuesResult, ListQueueTagsResult
from lambdasim.sqs.shown import Shown
from lambdasim.sqs.throughput import Throughput
from lambdasim.units import MICROSECONDS, Duration, seconds

if TYPE_CHECKING:
    from lambdasim.sqs.message import Message
    from lambdasim.sqs.queue import Queue

NOT_THERE: Final = "The specified queue does not exist."  # SQS-025


class Home(Protocol):
    """Where queues find each other: what a queue needs of the registry it lives in."""

    def find(self, arn: str) -> Queue | None:
        """Return the queue of an ARN, or None."""
        ...

    def leaves(self, queue: Queue) -> None:
        """Take note that the queue was deleted; it may linger."""
        ...

    def is_gone(self, queue: Queue) -> None:
        """Forget the queue."""
        ...


class Resource(Shown):
    """What `Queue` has beside its messages."""

    _operations: ClassVar[tuple[str, ...]] = ()  # calls of AWS, which may take time (SQS-005)

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        settings: Iterable[object] | Settings = (),
        faults: SqsFaults | None = None,
        attributes: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        home: Home | None = None,
        is_free: Callable[[], object] = lambda: None,
        **keywords: Unpack[QueueAttributes],
    ) -> None:
        if not isinstance(settings, Settings):
            settings = Settings(settings, allowed=QUEUE_SETTINGS, where=f"queue {name!r}")
        if faults is not None and not isinstance(faults, SqsFaults):
            msg = f"faults={faults!r} of queue {name!r}: give a SqsFaults, such as SqsFaults.at_least_once()"
            raise UsageError(msg)
        config = settings.get(SqsConfig)
        given = merge_new(name, attributes, cast("Mapping[str, object]", keywords))
        is_fifo = check_name(name, given)
        arn = f"arn:{config.partition}:sqs:{config.region}:{config.account_id}:{name}"
        self._home = home
        self._is_deleted = False
        fresh = Attributes(maximum_message_size=config.max_payload_bytes, fifo_queue=is_fifo)
        attributes_in_force = change(
            fresh,
            given,
            arn=arn,
            max_payload_bytes=config.max_payload_bytes,
            find=self._finder(arn, keywords.get("redrive_policy"), clock),
        )
        checked_tags = {} if tags is None else check_tags(tags)
        is_free()  # refuses a name that is taken for a while, after everything else was checked (SQS-046)
        super().__init__(name, arn, clock, config, faults or SqsFaults(), is_fifo=is_fifo)
        self.url = queue_url(config, name)
        self._handles = Handles(clock.identifiers.series("simulation", ""), self._series)
        self.created_at_us = self.modified_at_us = clock.now_us
        self._tags = checked_tags
        self._sources: dict[Resource, None] = {}  # queues whose policy names this one, as far as anybody can tell
        self._followers: dict[Resource, None] = {}  # those that act by such a policy
        self._purged_at_us: int | None = None
        self._purges = 0  # under way
        self._deleted_at_us: int | None = None  # when DeleteQueue was called
        self._ended_at_us: int | None = None  # when it was no more
        self._empty_before: dict[int, int] = {}  # empty receives by minute of pollers that left
        self._chunk_bytes = settings.get(SqsCostModel).chunk_bytes
        self._latency_us = seconds(config.call_latency_s, name="call_latency_s")
        self._ready_at_us = clock.now_us + seconds(self.faults.create_ready_s, name="create_ready_s")
        self._throughput = Throughput() if is_fifo and config.enforce_fifo_throughput else None
        self._attempts = Attempts()
        self._sent_ids = SentIds(
            config.dedup_window_s * MICROSECONDS,
            config.dedup_scope_propagation_s * MICROSECONDS,
            attributes_in_force.deduplication_scope,
        )
        self._attributes = self._in_force = fresh
        self._delay_us = self._wait_s = self._max_bytes = 0
        self._is_guarded = self._is_plain = self._is_plain_fifo = False
        self._show(attributes_in_force)
        self._retention_us = attributes_in_force.message_retention_period * MICROSECONDS
        self._put_in_force(attributes_in_force)
        self._look_for_guards()
        if self._latency_us:
            for operation in self._operations:
                setattr(self, operation, take_time(clock, self._latency_us, getattr(self, operation), self.name))
        else:
            clock.on_interleaving(self._become_points)

    def _become_points(self) -> None:
        """Let interleaved handlers be suspended before each of the operations."""
        for operation in self._operations:
            setattr(self, operation, be_point(self.clock, getattr(self, operation), self.name))

    # ---- who may call

    def _look_for_guards(self) -> None:
        """See whether calls have to ask first, and whether a send is nothing but a send, to either type of queue."""
        throttles = self._luck is not None and self._luck.may_throttle
        self._is_guarded = self._is_deleted or throttles or not self._is_ready
        is_plain = not self._is_guarded and self._luck is None
        self._is_plain, self._is_plain_fifo = is_plain and not self.is_fifo, is_plain and self.is_fifo

    @property
    def _is_ready(self) -> bool:
        """Whether it is to be found already (SQS-044)."""
        return self.clock.now_us >= self._ready_at_us

    def _guard(self, *, is_about_messages: bool = False) -> None:
        """
        Refuse a call on a queue that is not to be found, or one that is one too many.

        Raises:
            QueueDoesNotExist: It is deleted, or not ready yet (SQS-044, SQS-060).
            RequestThrottled: By chance (SQS-415).
        """
        if self._is_deleted or not self._is_ready:
            raise QueueDoesNotExist(NOT_THERE)
        if is_about_messages and self._luck is not None and self._luck.throttles():
            msg = "Rate exceeded"
            raise RequestThrottled(msg)
        self._look_for_guards()

    def _limit_rate(self, action: str, messages: Iterable[Message | None] = (), groups: Sequence[str] = ()) -> None:
        """Refuse a call beyond the rate of a FIFO queue, where that is enforced (SQS-414)."""
        if self._throughput is None:
            return
        keys: list[str | None] = [None]
        if self._in_force.fifo_throughput_limit == "perMessageGroupId":
            named = [*groups, *(message.message_group_id for message in messages if message is not None)]
            keys = [*named] or keys
        if not self._throughput.admits(self.clock.now_us, action, keys):
            msg = "Rate exceeded"
            raise RequestThrottled(msg)

    # ---- attributes

    def get_queue_attributes(self, attribute_names: Sequence[str] = ()) -> GetQueueAttributesResult:
        """
        Return attributes by AWS's names, as texts.

        Args:
            attribute_names: Which; `All` is everything that is set. Without names there is nothing.
        Raises:
            InvalidAttributeName: No such attribute.

        Rules: SQS-002, SQS-080, SQS-088, SQS-089, SQS-600. Runtime: `O(1)`.
        """
        if self._is_guarded:
            self._guard()
        names = check_texts(attribute_names, "attribute_names")
        check_names(names)
        self._begin_call()
        present: dict[str, Callable[[], str]] = {
            "ApproximateNumberOfMessages": lambda: str(self.approximate_number_of_messages),
            "ApproximateNumberOfMessagesDelayed": lambda: str(self.approximate_number_of_messages_delayed),
            "ApproximateNumberOfMessagesNotVisible": lambda: str(self.approximate_number_of_messages_not_visible),
            "CreatedTimestamp": lambda: self._timestamp(self.created_at_us),
            "LastModifiedTimestamp": lambda: self._timestamp(self.modified_at_us),
            "QueueArn": lambda: self.arn,
        }
        texts = self._attributes.to_texts()
        wanted = sorted({**dict.fromkeys(present), **texts}) if "All" in names else list(dict.fromkeys(names))
        return GetQueueAttributesResult(
            {
                name: present[name]() if name in present else texts[name]
                for name in wanted
                if name in {**present, **texts}
            }
        )

    def set_queue_attributes(
        self, attributes: Mapping[str, str] | None = None, **keywords: Unpack[QueueAttributes]
    ) -> None:
        """
        Change attributes, all or none.

        Args:
            attributes: Texts by AWS's names; the empty text removes a policy or a key.
            keywords: The same in our form; None removes.
        Raises:
            MissingRequiredParameterException: Nothing was given.
            InvalidAttributeName: No such attribute, or not on this type of queue.
            InvalidAttributeValue: A value that it cannot have.
            InvalidParameterValueException: A redrive policy, or allow policy, that cannot be.

        Rules: SQS-082 to SQS-092, SQS-100 to SQS-107. Runtime: `O(n)` for what changes messages that are here.
        """
        if self._is_guarded:
            self._guard()
        given = merge(attributes, cast("Mapping[str, object]", keywords), "set_queue_attributes")
        if not given:
            msg = "The request must contain the parameter Attribute.Name."
            raise MissingRequiredParameterException(msg)
        changed = change(
            self._attributes,
            given,
            arn=self.arn,
            max_payload_bytes=self.config.max_payload_bytes,
            find=self._finder(self.arn, keywords.get("redrive_policy"), self.clock),
        )
        self._begin_call()
        self.modified_at_us = self.clock.now_us
        self._show(changed)
        self._later(self.faults.attribute_propagation_s, self._put_in_force, changed)
        self._later(self.faults.retention_propagation_s, self._put_retention_in_force, changed)

    def _check_same(self, given: Mapping[str, str], policy: object) -> None:
        """
        Refuse attributes for a new queue of this name that differ from those that it has.

        Raises:
            QueueNameExists: The first that differs, in sorted order (SQS-041).
            SqsError: They could not be those of any queue (SQS-046).
        """
        check_name(self.name, given)
        texts = self._attributes.to_texts()
        given = {name: text for name, text in given.items() if not is_same_policy(name, text, texts.get(name))}
        find = self._finder(self.arn, policy, self.clock)
        fresh = Attributes(maximum_message_size=self.config.max_payload_bytes, fifo_queue=self.is_fifo)
        limit = self.config.max_payload_bytes
        try:
            wanted = change(fresh, given, arn=self.arn, max_payload_bytes=limit, find=find)
        except SqsError:  # a value may need another one, which the queue has and this call does not give
            wanted = change(self._attributes, given, arn=self.arn, max_payload_bytes=limit, find=find)
        for name in sorted(given):
            if not wanted.is_same(self._attributes, name):
                msg = f"A queue already exists with the same name and a different value for attribute {name}"
                raise QueueNameExists(msg)

    def _later(self, delay_s: Duration, action: Callable[[Attributes], object], attributes: Attributes) -> None:
        """Let a change take effect, at once unless there is a delay (SQS-091)."""
        delay_us = seconds(delay_s)
        if not delay_us:
            action(attributes)
            return
        at_us = self.clock.now_us + delay_us
        self.clock.timer(at_us, action, attributes, priority=Priority.CONTROL.value, background=True)

    def _show(self, attributes: Attributes) -> None:
        """Have other attributes, as far as anybody who asks can tell."""
        before, after = self._attributes.redrive_policy, attributes.redrive_policy
        self._attributes = attributes
        if before is not None:
            before.dead_letter_queue._sources.pop(self, None)
        if after is not None:
            after.dead_letter_queue._sources[self] = None

    def _put_in_force(self, attributes: Attributes) -> None:
        """Act by these attributes from now on, except for the retention."""
        if self._is_deleted:
            return
        before, self._in_force = self._in_force, attributes
        self._visibility_us = attributes.visibility_timeout * MICROSECONDS
        self._wait_s = attributes.receive_message_wait_time_seconds
        self._max_bytes = attributes.maximum_message_size
        if attributes.deduplication_scope != before.deduplication_scope:
            self._sent_ids.change_scope(self.clock.now_us, attributes.deduplication_scope)
        delay_us = attributes.delay_seconds * MICROSECONDS
        if delay_us != self._delay_us:
            self._delay_us = delay_us
            if self.is_fifo:
                self._delay_anew(delay_us)
        if attributes.redrive_policy is not before.redrive_policy:
            self._follow(attributes.redrive_policy)

    def _put_retention_in_force(self, attributes: Attributes) -> None:
        retention_us = attributes.message_retention_period * MICROSECONDS
        if retention_us != self._retention_us and not self._is_deleted:
            self._keep_for(retention_us)

    def _follow(self, redrive: Redrive | None) -> None:
        """Act by a redrive policy, if its queue exists (SQS-436), or exists again."""
        if redrive is not None and redrive.dead_letter_queue._is_deleted:
            again = None if self._home is None else self._home.find(redrive.dead_letter_queue.arn)
            redrive = None if again is None else evolve(redrive, dead_letter_queue=again)
        if self._redrive is not None:
            self._redrive.dead_letter_queue._followers.pop(self, None)
        if redrive is not None:
            redrive.dead_letter_queue._followers[self] = None
        self._use_redrive(redrive)

    def _meet(self, again: Queue) -> None:
        """Take note that a dead-letter queue was made again; the policy shown, or that in force, may name it."""
        shown, in_force = self._attributes.redrive_policy, self._in_force.redrive_policy
        if shown is not None and shown.dead_letter_queue.arn == again.arn:
            self._show(evolve(self._attributes, redrive_policy=evolve(shown, dead_letter_queue=again)))
        if in_force is not None and in_force.dead_letter_queue.arn == again.arn:
            self._in_force = evolve(self._in_force, redrive_policy=evolve(in_force, dead_letter_queue=again))
            self._follow(self._in_force.redrive_policy)

    def _finder(self, own_arn: str, policy: object, clock: Clock) -> Callable[[str], Queue | None]:
        """Return what finds the queue of an ARN: this one, the one that a policy holds, or one of the same registry."""

        def find(arn: str) -> Queue | None:
            if isinstance(policy, RedrivePolicy) and not isinstance(policy.dead_letter_queue, str):
                target = policy.dead_letter_queue
                if target.clock is not clock:
                    msg = f"{target!r} lives on another clock; make both queues with the same one"
                    raise UsageError(msg)
                return None if target._is_deleted else target
            if arn == own_arn and hasattr(self, "_attributes"):
                return cast("Queue", self)
            return None if self._home is None else self._home.find(arn)

        return find

    def _allows(self, source_arn: str) -> bool:
        """Return whether a queue may name this one as its dead-letter queue (SQS-106)."""
        policy: AllowPolicy | None = self._attributes.redrive_allow_policy
        return policy is None or policy.allows(source_arn)

    def _timestamp(self, at_us: int) -> str:
        return str((self.clock.start_us + at_us) // MICROSECONDS)

    def list_dead_letter_source_queues(
        self, max_results: int | None = None, next_token: str | None = None
    ) -> ListQueuesResult:
        """
        Return the queues whose redrive policy names this one, sorted by name.

        Args:
            max_results: 1 to 1,000; None: 1,000 at most, and no further page.
            next_token: Of the page before.
        Raises:
            InvalidParameterValueException: Out of range, or no such token.

        Rules: SQS-053. Runtime: `O(n log n)` in these queues.
        """
        if self._is_guarded:
            self._guard()
        sources = sorted(self._sources, key=lambda source: source.name)
        found = page([source.url for source in sources], max_results, next_token)
        self._begin_call()
        return found

    # ---- tags and permissions

    def tag_queue(self, tags: Mapping[str, str]) -> None:
        """
        Add tags, or give them other values.

        Raises:
            InvalidParameterValueException: A key or value that a tag cannot have.

        Rules: SQS-552.
        """
        if self._is_guarded:
            self._guard()
        checked = check_tags(tags)
        if not checked:
            msg = "The request must contain the parameter Tags."
            raise MissingRequiredParameterException(msg)
        self._begin_call()
        self._tags.update(checked)

    def untag_queue(self, tag_keys: Sequence[str]) -> None:
        """Remove tags; keys that are not there are passed over (SQS-552)."""
        if self._is_guarded:
            self._guard()
        keys = check_texts(tag_keys, "tag_keys")
        if not keys:
            msg = "The request must contain the parameter TagKeys."
            raise MissingRequiredParameterException(msg)
        self._begin_call()
        for key in keys:
            self._tags.pop(key, None)

    def list_queue_tags(self) -> ListQueueTagsResult:
        """Return the tags (SQS-552)."""
        if self._is_guarded:
            self._guard()
        self._begin_call()
        return ListQueueTagsResult(dict(self._tags))

    def add_permission(self, label: str, aws_account_ids: Sequence[str], actions: Sequence[str]) -> None:
        """
        Add a statement to the policy, which nothing enforces.

        Args:
            label: 1 to 80 characters of `A-Z a-z 0-9 _ -`, not yet taken.
            aws_account_ids: Who may.
            actions: What, at most 7; such as `SendMessage`.
        Raises:
            InvalidParameterValueException: The label is taken.
            OverLimit: Too many actions.

        Rules: SQS-550, SQS-551.
        """
        if self._is_guarded:
            self._guard()
        policy = add_permission(
            self.policy, queue_arn=self.arn, label=label, aws_account_ids=aws_account_ids, actions=actions
        )
        self._begin_call()
        self._attributes = evolve(self._attributes, policy=policy)

    def remove_permission(self, label: str) -> None:
        """
        Take a statement out of the policy; with the last one the policy goes.

        Raises:
            InvalidParameterValueException: No such label.

        Rules: SQS-550.
        """
        if self._is_guarded:
            self._guard()
        policy = remove_permission(self.policy, label)
        self._begin_call()
        self._attributes = evolve(self._attributes, policy=policy)

    # ---- purging and deleting

    def purge_queue(self) -> None:
        """
        Remove all messages, those in flight and delayed ones too, and forget the deduplication ids.

        Raises:
            PurgeQueueInProgress: The last purge is less than 60 s ago.

        Rules: SQS-480 to SQS-482. Runtime: `O(n)`.
        """
        if self._is_guarded:
            self._guard()
        now_us = self.clock.now_us
        interval_us = self.config.purge_interval_s * MICROSECONDS
        if self._purged_at_us is not None and now_us - self._purged_at_us < interval_us:
            msg = f"Only one PurgeQueue operation on {self.name} is allowed every 60 seconds."
            raise PurgeQueueInProgress(msg)
        self._begin_call()
        self._purged_at_us = now_us
        duration_us = seconds(self.faults.purge_duration_s, name="purge_duration_s")
        if not duration_us:
            self._sent_ids.clear()
            self._purge(self.messages)
            return
        self._purges += 1
        self.clock.timer(
            now_us + duration_us,
            self._on_purge_end,
            self._series.last,
            priority=Priority.EXPIRY.value,
            background=True,
        )

    def _on_purge_end(self, last: int) -> None:
        self._purges -= 1
        self._sent_ids.forget(last)
        with self._holding_wakes(in_c1=True):
            self._purge([message for message in self.messages if message._sequence <= last])

    def delete_queue(self) -> None:
        """
        Delete the queue and whatever it contains. Its name is free again after 60 seconds.

        Raises:
            QueueDoesNotExist: It is deleted already.

        Rules: SQS-060 to SQS-063. Runtime: `O(n)`.
        """
        if self._is_guarded:
            self._guard()
        self._begin_call()
        if self._deleted_at_us is not None:
            return  # it lingers
        self._deleted_at_us = self.clock.now_us
        if self._home is not None:
            self._home.leaves(cast("Queue", self))
        linger_us = seconds(self.faults.delete_queue_linger_s, name="delete_queue_linger_s")
        if linger_us:
            self.clock.timer(
                self.clock.now_us + linger_us, self._vanish, priority=Priority.CONTROL.value, background=True
            )
        else:
            self._vanish(None)

    def _vanish(self, _argument: object) -> None:
        """Be no more: messages are lost, open polls fail, and nobody's policy leads here (SQS-060, SQS-062)."""
        if self._is_deleted:
            return
        self._is_deleted = True
        self._ended_at_us = self.clock.now_us
        self._empty_before = self.background_empty_receives_by_minute()
        consumers = tuple(self._line.consumers)
        self._line.forget_consumers()  # receives fail from now on, and none of them is an empty one
        self._close()
        for consumer in consumers:
            consumer.queue_is_gone()
        self._sent_ids.clear()
        self._attempts = Attempts()
        self._tags.clear()
        if self._trace.active:
            self._trace.add((self.clock.now_us, QUEUE_DELETED, self))
        self._look_for_guards()
        for follower in list(self._followers):
            follower._use_redrive(None)
        if self._redrive is not None:
            self._redrive.dead_letter_queue._followers.pop(self, None)
        policy = self._attributes.redrive_policy
        if policy is not None:
            policy.dead_letter_queue._sources.pop(self, None)
        if self._home is not None:
            self._home.is_gone(cast("Queue", self))
        for poll in self._line.take_polls():
            poll.end.cancel()
            poll.answer.fail(QueueDoesNotExist(NOT_THERE))


def merge_new(name: object, attributes: Mapping[str, str] | None, keywords: Mapping[str, object]) -> dict[str, str]:
    """
    Return the attributes that a new queue is given, in AWS's form.

    With AWS's own map it says itself whether the queue is a FIFO queue; else the name says so, unless a keyword does.
    """
    check_keywords(keywords, "create_queue")
    given = {keyword: value for keyword, value in keywords.items() if value is not None}
    is_fifo = given.pop("fifo_queue", None)
    if is_fifo is not None and not isinstance(is_fifo, bool):
        msg = f"fifo_queue={is_fifo!r} must be True, False or None, which goes by the name"
        raise UsageError(msg)
    if is_fifo is None and attributes is None:
        is_fifo = isinstance(name, str) and name.endswith(".fifo")
    if is_fifo:
        given["fifo_queue"] = True
    return merge(attributes, given, "create_queue")
