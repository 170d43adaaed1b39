from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.esm.responses import FAILURE, SUCCESS, Verdict, plan_response

B5 = ("id1", "id2", "id3", "id4", "id5")


def partial(*ids):
    return Verdict(is_failure=False, failed_ids=frozenset(ids))


def items(*ids):
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in ids]}


TABLE = {
    "1": (None, SUCCESS),
    "2": ({}, SUCCESS),
    "3": ("", SUCCESS),
    "4": ([], SUCCESS),
    "5": ({"batchItemFailures": []}, SUCCESS),
    "6": ({"batchItemFailures": None}, SUCCESS),
    "7": ({"failures": [{"itemIdentifier": "id2"}]}, SUCCESS),
    "7 in another case": ({"BatchItemFailures": [{"itemIdentifier": "id2"}]}, SUCCESS),
    "8": (items("id2", "id4"), partial("id2", "id4")),
    "9": (items("id2", "id4", "id2"), partial("id2", "id4")),
    "10": (items(*B5), partial(*B5)),
    "11": (items(""), FAILURE),
    "12": (items(None), FAILURE),
    "13": (items(2), FAILURE),
    "13 true": (items(True), FAILURE),
    "13 list": (items(["id2"]), FAILURE),
    "13 object": (items({"id": "id2"}), FAILURE),
    "14": ({"batchItemFailures": [{"messageId": "id2"}]}, FAILURE),
    "14 empty": ({"batchItemFailures": [{}]}, FAILURE),
    "15": (items("id6"), FAILURE),
    "15 in another case": (items("ID2"), FAILURE),
    "16": (items("id2", "id6"), FAILURE),
    "16 the other way round": (items("id6", "id2"), FAILURE),
    "17 string": ({"batchItemFailures": "id2"}, FAILURE),
    "17 empty string": ({"batchItemFailures": ""}, FAILURE),
    "17 number": ({"batchItemFailures": 2}, FAILURE),
    "17 zero": ({"batchItemFailures": 0}, FAILURE),
    "17 false": ({"batchItemFailures": False}, FAILURE),
    "17 object": ({"batchItemFailures": {"itemIdentifier": "id2"}}, FAILURE),
    "17 empty object": ({"batchItemFailures": {}}, FAILURE),
    "18": ({"batchItemFailures": ["id2"]}, FAILURE),
    "18 null": ({"batchItemFailures": [None]}, FAILURE),
    "18 among good ones": ({"batchItemFailures": [{"itemIdentifier": "id2"}, "id4"]}, FAILURE),
    "19 text": ("x", FAILURE),
    "19 blank": (" ", FAILURE),
    "19 number": (1, FAILURE),
    "19 zero": (0, FAILURE),
    "19 fraction": (0.0, FAILURE),
    "19 true": (True, FAILURE),
    "19 false": (False, FAILURE),
    "19 list": ([1], FAILURE),
    "19 list of null": ([None], FAILURE),
    "193 beside the key": ({**items("id2"), "note": "x", "batchItemSuccesses": B5}, partial("id2")),
    "193 beside the id": ({"batchItemFailures": [{"itemIdentifier": "id2", "messageId": 7}]}, partial("id2")),
}


@pytest.mark.rule("ESM-191", "ESM-193")
@pytest.mark.parametrize("row", TABLE)
def test_an_answer_is_judged_by_the_table(row):
    answer, verdict = TABLE[row]
    assert plan_response(answer, frozenset(B5)) == verdict  # a set, as pollers have: not every value may be looked for


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | st.sampled_from(B5),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(("batchItemFailures", "itemIdentifier", "messageId", "x")), children, max_size=3
        )
    ),
    max_leaves=12,
)
answers = json_values | st.fixed_dictionaries(
    {"batchItemFailures": st.lists(st.fixed_dictionaries({"itemIdentifier": st.sampled_from((*B5, "id6", "", None))}))}
)


def naive(answer, ids):
    """The table of the rule once more, as a list of cases."""
    if answer in (None, "", [], {}) and type(answer) in (type(None), str, list, dict):
        return "all"
    if type(answer) is not dict:
        return "none"
    if "batchItemFailures" not in answer or answer["batchItemFailures"] is None:
        return "all"
    named = answer["batchItemFailures"]
    if type(named) is not list:
        return "none"
    for entry in named:
        if type(entry) is not dict or type(entry.get("itemIdentifier")) is not str:
            return "none"
        if entry["itemIdentifier"] not in ids:
            return "none"
    return {entry["itemIdentifier"] for entry in named}


@given(answer=answers, ids=st.lists(st.sampled_from(B5), unique=True, min_size=1))
def test_every_json_value_is_judged_as_the_cases_say(answer, ids):
    verdict = plan_response(answer, ids)
    wanted = naive(answer, ids)
    if wanted == "none":
        assert verdict.is_failure
    else:
        assert verdict == (SUCCESS if wanted == "all" else partial(*wanted))
    assert verdict.failed_ids <= set(ids)


def test_any_mapping_is_an_object():
    assert plan_response(
        MappingProxyType({"batchItemFailures": [MappingProxyType({"itemIdentifier": "id1"})]}), B5
    ) == (partial("id1"))
