"""SQS §21: policies and tags are kept and shown, and enforce nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.errors import ParamValidationError
from lambdasim.errors.sqs import (
    InvalidAttributeValue,
    InvalidParameterValueException,
    MissingRequiredParameterException,
    OverLimit,
)
from lambdasim.sqs.permissions import add_permission, check_policy, check_tags, remove_permission

ARN = "arn:aws:sqs:us-east-1:123456789012:orders"
OWN = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*", "Condition": {"Bool": {"x": "é"}}},
        {"Sid": "mine", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": ARN},
    ],
}


def add(policy=None, label="one", aws_account_ids=("111122223333",), actions=("SendMessage",), queue_arn=ARN):
    return add_permission(
        policy, queue_arn=queue_arn, label=label, aws_account_ids=list(aws_account_ids), actions=list(actions)
    )


def refuse(error, call, *arguments, **keywords):
    with pytest.raises(error) as caught:
        call(*arguments, **keywords)
    return caught.value.message


labels = st.text("abcXYZ019_-", min_size=1, max_size=80)

# ---- statements


@pytest.mark.rule("SQS-550")
def test_the_first_permission_makes_a_policy():
    assert {
        "Version": "2008-10-17",
        "Id": f"{ARN}/SQSDefaultPolicy",
        "Statement": [
            {
                "Sid": "one",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                "Action": "SQS:SendMessage",
                "Resource": ARN,
            }
        ],
    } == json.loads(add())


@pytest.mark.rule("SQS-550")
def test_several_accounts_and_actions_are_lists():
    (statement,) = json.loads(
        add(aws_account_ids=["111122223333", "444455556666"], actions=["SendMessage", "ReceiveMessage"])
    )["Statement"]
    assert ["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"] == statement["Principal"]["AWS"]
    assert ["SQS:SendMessage", "SQS:ReceiveMessage"] == statement["Action"]


@pytest.mark.rule("SQS-550")
def test_a_star_is_every_action():
    assert "SQS:*" == json.loads(add(actions=["*"]))["Statement"][0]["Action"]


@pytest.mark.rule("SQS-550")
@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_principals_are_of_the_partition_of_the_queue(partition):
    arn = f"arn:{partition}:sqs:cn-north-1:123456789012:orders"
    document = json.loads(add(queue_arn=arn))
    assert f"{arn}/SQSDefaultPolicy" == document["Id"]
    assert f"arn:{partition}:iam::111122223333:root" == document["Statement"][0]["Principal"]["AWS"]
    assert arn == document["Statement"][0]["Resource"]


@pytest.mark.rule("SQS-550")
@given(st.lists(labels, unique=True, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_there_is_one_statement_per_label_until_the_last_one_goes(given_labels, random):
    policy = None
    for label in given_labels:
        policy = add(policy, label)
        check_policy(policy)
    rest = list(given_labels)
    for label in random.sample(given_labels, len(given_labels)):
        assert rest == [statement["Sid"] for statement in json.loads(policy)["Statement"]]
        policy = remove_permission(policy, label)
        rest.remove(label)
    assert policy is None


@pytest.mark.rule("SQS-550")
def test_a_label_that_is_taken_is_refused():
    policy = add()
    text = "Value one for parameter Label is invalid. Reason: Already exists."
    assert text == refuse(InvalidParameterValueException, add, policy)
    assert text.replace("one", "mine") == refuse(InvalidParameterValueException, add, json.dumps(OWN), "mine")
    add(policy, "One")


@pytest.mark.rule("SQS-550")
@pytest.mark.parametrize("policy", [None, add(), json.dumps(OWN), "{}", '{"Statement":{"Sid":"x"}}'])
@pytest.mark.parametrize("label", ["two", "a b", "x" * 81])
def test_a_label_that_is_unknown_cannot_be_removed(policy, label):
    text = f"Value {label} for parameter Label is invalid. Reason: can't find label."
    assert text == refuse(InvalidParameterValueException, remove_permission, policy, label)


# ---- policies that the user wrote


@pytest.mark.rule("SQS-550")
def test_a_policy_of_the_user_survives():
    policy = add(json.dumps(OWN), "two")
    document = json.loads(policy)
    assert OWN["Statement"] == document["Statement"][:2]
    assert "two" == document["Statement"][2]["Sid"]
    assert {"Version", "Statement"} == document.keys()
    assert "2012-10-17" == document["Version"]
    assert OWN == json.loads(remove_permission(policy, "two"))
    assert {**OWN, "Statement": OWN["Statement"][:1]} == json.loads(remove_permission(json.dumps(OWN), "mine"))


@pytest.mark.rule("SQS-550")
def test_a_policy_of_one_statement_may_have_it_without_a_list():
    statement = OWN["Statement"][1]
    policy = json.dumps({"Statement": statement})
    assert statement == json.loads(add(policy))["Statement"][0]
    assert 2 == len(json.loads(add(policy))["Statement"])
    assert "Already exists." in refuse(InvalidParameterValueException, add, policy, "mine")
    assert remove_permission(policy, "mine") is None


@pytest.mark.rule("SQS-550")
@pytest.mark.parametrize("policy", ["{}", '{"Statement":[]}', '{"Id":"x","Statement":["odd",7,null]}'])
def test_odd_policies_survive_too(policy):
    before = json.loads(policy)
    after = json.loads(add(policy))
    assert before.get("Statement", []) == after["Statement"][:-1]
    assert before.get("Id") == after.get("Id")


@pytest.mark.rule("SQS-550", "SQS-551")
@pytest.mark.parametrize("text", ["{}", '{"Statement":[]}', ' {"anything": [1, "é"]}\n', json.dumps(OWN)])
def test_any_json_object_is_a_policy(text):
    check_policy(text)


@pytest.mark.rule("SQS-550")
@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "[]", "7", "null", '"text"', "{'a': 1}", '{"a":1}x', '{"a":NaN}', '{"a":-Infinity}', "[" * 100_000],
)
def test_what_is_no_json_object_is_no_policy(text):
    assert "Invalid value for the parameter Policy." == refuse(InvalidAttributeValue, check_policy, text)


@pytest.mark.parametrize("policy", [None, 7, {}, b"{}"])
def test_a_policy_is_text(policy):
    with pytest.raises(ParamValidationError, match=r"is no text; a policy is JSON, so json\.dumps it"):
        check_policy(policy)


# ---- parameters


@pytest.mark.rule("SQS-550")
@pytest.mark.parametrize("label", ["a", "Z", "0", "_", "-", "x" * 80])
def test_legal_labels(label):
    assert label == json.loads(add(label=label))["Statement"][0]["Sid"]


@pytest.mark.rule("SQS-550")
@pytest.mark.parametrize("label", ["x" * 81, "a b", "a.b", "a\n", "é", "٣"])
def test_illegal_labels(label):
    assert (
        f"Value {label} for parameter Label is invalid. Reason: Can only include alphanumeric characters, hyphens, or "
        "underscores. 1 to 80 in length."
    ) == refuse(InvalidParameterValueException, add, label=label)


@pytest.mark.rule("SQS-550", "SQS-621")
@pytest.mark.parametrize("nothing", [None, "empty"])
@pytest.mark.parametrize(
    ("parameter", "name"), [("label", "Label"), ("aws_account_ids", "AWSAccountIds"), ("actions", "Actions")]
)
def test_every_parameter_must_be_there(parameter, name, nothing):
    arguments = {"label": "x" * 81, "aws_account_ids": ["111122223333"], "actions": ["x"] * 8}
    arguments[parameter] = type(arguments[parameter])() if nothing else None
    text = f"The request must contain the parameter {name}."
    assert text == refuse(MissingRequiredParameterException, add_permission, None, queue_arn=ARN, **arguments)


@pytest.mark.rule("SQS-550", "SQS-621")
@pytest.mark.parametrize("label", [None, ""])
def test_a_removal_names_a_label(label):
    text = "The request must contain the parameter Label."
    assert text == refuse(MissingRequiredParameterException, remove_permission, add(), label)


@pytest.mark.parametrize(
    ("parameter", "value", "part"),
    [
        ("label", 7, "Label=7 is no text"),
        ("aws_account_ids", "111122223333", "AWSAccountIds='111122223333' is no list; give a list of strings"),
        ("aws_account_ids", [111122223333], "AWSAccountIds has 111122223333, which is no text"),
        ("actions", "SendMessage", "Actions='SendMessage' is no list"),
        ("actions", [None], "Actions has None, which is no text"),
        ("actions", 7, "Actions=7 is no list"),
    ],
)
def test_wrong_types_are_named_and_say_what_to_give(parameter, value, part):
    arguments = {"label": "one", "aws_account_ids": ["111122223333"], "actions": ["SendMessage"], parameter: value}
    with pytest.raises(ParamValidationError, match=part):
        add_permission(None, queue_arn=ARN, **arguments)


def test_the_label_of_a_removal_is_text():
    with pytest.raises(ParamValidationError, match="Label=7 is no text"):
        remove_permission(add(), 7)


@pytest.mark.rule("SQS-550", "SQS-551")
@pytest.mark.parametrize("count", [8, 12])
def test_seven_actions_are_the_most(count):
    actions = [f"Action{number}" for number in range(count)]
    assert f"{count} Actions were found, maximum allowed is 7." == refuse(OverLimit, add, actions=actions)
    assert 7 == len(json.loads(add(actions=actions[:7]))["Statement"][0]["Action"])


@pytest.mark.rule("SQS-551")
def test_no_other_limit_of_policies_is_enforced():
    """AWS's quotas: 8,192 bytes, 20 statements, 50 principals, 10 conditions, 7 actions per statement."""
    policy = None
    for number in range(21):
        policy = add(policy, f"label-{number}", [f"{account:012}" for account in range(51)])
    assert len(policy) > 8_192
    document = json.loads(policy)
    assert 21 == len(document["Statement"])
    assert 51 == len(document["Statement"][20]["Principal"]["AWS"])
    own = {
        "Statement": [
            {
                "Action": [f"SQS:{number}" for number in range(8)],
                "Condition": {f"StringEquals{number}": {"aws:x": "y"} for number in range(11)},
            }
        ]
    }
    check_policy(json.dumps(own))
    assert own["Statement"] == json.loads(add(json.dumps(own)))["Statement"][:1]


# ---- tags

legal_tag_texts = st.text(st.one_of(st.characters(categories=["L", "Nd"]), st.sampled_from(" _.:/=+-@")), max_size=10)


@pytest.mark.rule("SQS-552")
@given(st.dictionaries(legal_tag_texts.filter(lambda key: key and not key.lower().startswith("aws:")), legal_tag_texts))
def test_legal_tags_are_kept_in_a_copy(tags):
    checked = check_tags(tags)
    assert tags == checked
    assert list(tags) == list(checked)
    assert tags is not checked


@pytest.mark.rule("SQS-552")
@pytest.mark.parametrize("key", ["a", "x" * 128, "é", "日本", "٣", "aws", "aws-x", "a:aws:", " ", "_.:/=+-@"])
@pytest.mark.parametrize("value", ["", "x" * 256, "aws:x"])
def test_legal_keys_and_values(key, value):
    assert {key: value} == check_tags({key: value})


ILLEGAL = ["a\n", "a\t", "a!", "a#", "a,b", "a*", "a\\", "😀", "e\u0301", "\u00a0", "\ud800"]


@pytest.mark.rule("SQS-552")
@pytest.mark.parametrize("key", ["", "x" * 129, *ILLEGAL])
def test_illegal_keys(key):
    assert (
        f"Value {key} for parameter Tags is invalid. Reason: Tag keys can only include letters, digits, spaces and "
        "_.:/=+-@. 1 to 128 in length."
    ) == refuse(InvalidParameterValueException, check_tags, {"fine": "x", key: "x"})


@pytest.mark.rule("SQS-552")
@pytest.mark.parametrize("value", ["x" * 257, *ILLEGAL])
def test_illegal_values(value):
    assert (
        f"Value {value} for parameter Tags is invalid. Reason: Tag values can only include letters, digits, spaces "
        "and _.:/=+-@. 0 to 256 in length."
    ) == refuse(InvalidParameterValueException, check_tags, {"fine": value})


@pytest.mark.rule("SQS-552")
@pytest.mark.parametrize("key", ["aws:", "aws:x", "AWS:x", "aWs:x"])
def test_keys_of_aws_itself_are_refused(key):
    assert f"Value {key} for parameter Tags is invalid. Reason: Tag keys that start with aws: are reserved." == refuse(
        InvalidParameterValueException, check_tags, {key: "x"}
    )


@pytest.mark.rule("SQS-552")
def test_more_than_fifty_tags_are_only_not_recommended():
    tags = {f"key-{number}": "x" for number in range(51)}
    assert tags == check_tags(tags)


@pytest.mark.rule("SQS-552", "SQS-621")
def test_tags_must_be_there_and_may_be_none_at_all():
    text = "The request must contain the parameter Tags."
    assert text == refuse(MissingRequiredParameterException, check_tags, None)
    assert {} == check_tags({})


@pytest.mark.parametrize(
    ("tags", "part"),
    [
        ([], r"tags=\[\] is no mapping; give {'key': 'value'}"),
        ("text", "tags='text' is no mapping"),
        ({"a": 1}, "tags has 'a': 1; keys and values of tags are strings"),
        ({"a": None}, "tags has 'a': None"),
        ({7: "a"}, "tags has 7: 'a'"),
        ({"!": "x", "a": 1}, "tags has 'a': 1"),
    ],
)
def test_tags_of_wrong_types_are_refused_before_the_call(tags, part):
    with pytest.raises(ParamValidationError, match=part):
        check_tags(tags)


# ---- through a queue


def policy_of(queue):
    return queue.get_queue_attributes(["Policy"]).attributes.get("Policy")


@pytest.mark.rule("SQS-550", "SQS-553")
def test_permissions_come_and_go_and_enforce_nothing(queue):
    queue.add_permission("one", ["111122223333"], ["SendMessage"])
    queue.add_permission("two", ["111122223333"], ["*"])
    assert add(add_permission(None, **arguments(queue)), "two", actions=["*"], queue_arn=queue.arn) == policy_of(queue)
    queue.send_message("a")
    queue.remove_permission("one")
    assert ["two"] == [statement["Sid"] for statement in json.loads(policy_of(queue))["Statement"]]
    queue.remove_permission("two")
    assert policy_of(queue) is None
    assert queue.policy is None


def arguments(queue):
    return {"queue_arn": queue.arn, "label": "one", "aws_account_ids": ["111122223333"], "actions": ["SendMessage"]}


@pytest.mark.rule("SQS-550", "SQS-622")
def test_what_fails_leaves_the_policy_alone(queue):
    queue.add_permission("one", ["111122223333"], ["SendMessage"])
    before = policy_of(queue)
    refuse(InvalidParameterValueException, queue.add_permission, "one", ["111122223333"], ["SendMessage"])
    refuse(OverLimit, queue.add_permission, "two", ["111122223333"], ["x"] * 8)
    refuse(InvalidParameterValueException, queue.remove_permission, "two")
    refuse(InvalidAttributeValue, queue.set_queue_attributes, {"Policy": "[]"})
    assert before == policy_of(queue)


@pytest.mark.rule("SQS-550", "SQS-551")
def test_a_policy_that_was_set_takes_permissions_and_keeps_its_own(sim):
    queue = sim.create_queue("orders", attributes={"Policy": json.dumps(OWN)})
    assert OWN == json.loads(policy_of(queue))
    queue.add_permission("two", ["111122223333"], ["SendMessage"])
    queue.remove_permission("two")
    assert OWN == json.loads(policy_of(queue))
    queue.set_queue_attributes({"Policy": ""})
    assert policy_of(queue) is None


@pytest.mark.rule("SQS-553")
def test_a_policy_that_denies_everything_denies_nothing(queue):
    queue.set_queue_attributes(
        {"Policy": json.dumps({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}})}
    )
    queue.send_message("a")
    assert ["a"] == [delivery.body for delivery in queue.receive_message()]


@pytest.mark.rule("SQS-552")
def test_tags_are_added_overwritten_and_removed(sim):
    queue = sim.create_queue("orders", tags={"a": "1", "b": "2"})
    assert {"a": "1", "b": "2"} == queue.list_queue_tags().tags
    queue.tag_queue({"b": "", "C": "3"})
    assert {"a": "1", "b": "", "C": "3"} == queue.list_queue_tags().tags
    queue.untag_queue(["a", "c", "missing", "!"])
    assert {"b": "", "C": "3"} == queue.list_queue_tags().tags
    queue.untag_queue(["b", "C"])
    assert not queue.list_queue_tags().tags


@pytest.mark.rule("SQS-552", "SQS-622")
def test_one_illegal_tag_refuses_them_all(sim, queue):
    queue.tag_queue({"a": "1"})
    refuse(InvalidParameterValueException, queue.tag_queue, {"a": "2", "!": "x"})
    refuse(InvalidParameterValueException, queue.tag_queue, {"a": "2", "AWS:x": "x"})
    assert {"a": "1"} == queue.list_queue_tags().tags
    refuse(InvalidParameterValueException, sim.create_queue, "tagged", tags={"!": "x"})
    assert ["orders"] == [other.name for other in sim.queues]


@pytest.mark.rule("SQS-552")
def test_nobody_can_change_tags_from_outside(sim):
    given_tags = {"a": "1"}
    queue = sim.create_queue("orders", tags=given_tags)
    given_tags["a"] = "2"
    queue.list_queue_tags().tags.clear()
    assert {"a": "1"} == queue.list_queue_tags().tags
