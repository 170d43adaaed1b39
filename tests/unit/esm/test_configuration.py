from __future__ import annotations

import pytest

from lambdasim import FilterModel, ProvisionedModel
from lambdasim.errors import UsageError
from lambdasim.errors.lambda_ import InvalidParameterValueException, ResourceNotFoundException, ValidationException
from lambdasim.esm.configuration import Ends, MappingConfiguration, plan_configuration, refuse_others

REPORTS = "ReportBatchItemFailures"
PATTERN = '{"body": ["a"]}'
ENDS = {"is_fifo": False, "visibility_timeout": 30, "timeout": 30, "is_one_region": True}


def plan(changes, before=None, *, looks_at_times=True, **ends):
    """Return the configuration with changes."""
    found, filters = plan_configuration(
        MappingConfiguration() if before is None else before,
        changes,
        lambda: Ends(**{**ENDS, **ends}),
        FilterModel(),
        ProvisionedModel(),
        looks_at_times=looks_at_times,
    )
    assert filters.texts == found.patterns
    return found


# ---- what comes out


@pytest.mark.rule("ESM-020", "ESM-030")
@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, None),  # None: what was given
        ({"batch_size": 1}, None),
        ({"batch_size": 10_000, "maximum_batching_window_in_seconds": 1}, None),
        ({"maximum_batching_window_in_seconds": 300}, None),
        ({"maximum_concurrency": 2}, None),
        ({"maximum_concurrency": None}, None),
        ({"minimum_pollers": 2, "maximum_pollers": 2}, None),
        ({"metrics": ["EventCount"]}, {"metrics": ("EventCount",)}),
        ({"metrics": None}, {"metrics": ()}),
        ({"function_response_types": [REPORTS]}, {"function_response_types": (REPORTS,)}),
        ({"filter_criteria": {"Filters": [{"Pattern": PATTERN}] * 2}}, {"patterns": (PATTERN, PATTERN)}),
        ({"filter_criteria": {}}, {"patterns": ()}),
        ({"kms_key_arn": "a key"}, None),
    ],
    ids=str,
)
def test_changes_are_taken_over_and_everything_else_stays(changes, wanted):
    assert plan(changes) == MappingConfiguration(**(changes if wanted is None else wanted))


@pytest.mark.rule("ESM-052", "FLT-016")
def test_what_is_not_given_stays_as_it_was():
    before = plan({"batch_size": 7, "filter_criteria": {"Filters": [{"Pattern": PATTERN}]}, "maximum_concurrency": 3})
    after = plan({"maximum_concurrency": None}, before)
    assert after == MappingConfiguration(batch_size=7, patterns=(PATTERN,))


@pytest.mark.rule("ESM-020", "ESM-250")
@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({}, None),
        ({"minimum_pollers": 5}, (5, 200)),
        ({"maximum_pollers": 5}, (2, 5)),
        ({"minimum_pollers": 3, "maximum_pollers": 5}, (3, 5)),
    ],
    ids=str,
)
def test_one_number_of_pollers_is_enough_for_provisioned_mode(given, limits):
    assert plan(given).poller_limits(ProvisionedModel()) == limits


# ---- what is refused


@pytest.mark.rule("ESM-020", "ESM-030", "ESM-031")
@pytest.mark.parametrize(
    ("changes", "ends", "refused"),
    [
        ({"batch_size": 10}, {"is_fifo": True}, None),
        ({"batch_size": 11}, {"is_fifo": True}, "10 for FIFO"),
        ({"maximum_batching_window_in_seconds": 1}, {"is_fifo": True}, "not supported for FIFO"),
        ({"batch_size": 11}, {}, "greater than 0 if maximum batch size"),
        ({"batch_size": 11, "maximum_batching_window_in_seconds": 1}, {}, None),
        ({}, {"visibility_timeout": 29}, "29 seconds is less than Function timeout: 30"),
        ({}, {"visibility_timeout": 30}, None),
        ({"maximum_concurrency": 5, "minimum_pollers": 2}, {}, "cannot be set together"),
        ({"minimum_pollers": 6, "maximum_pollers": 5}, {}, "greater than MaximumPollers"),
        ({"minimum_pollers": 5, "maximum_pollers": 5}, {}, None),
        ({}, {"is_one_region": False}, "same region"),
    ],
    ids=str,
)
def test_combinations_that_a_mapping_cannot_have(changes, ends, refused):
    if refused is None:
        assert plan(changes, **ends)
    else:
        with pytest.raises(InvalidParameterValueException, match=refused):
            plan(changes, **ends)


@pytest.mark.rule("ESM-031")
def test_one_that_is_not_to_poll_may_have_any_times():
    assert plan({}, visibility_timeout=1, looks_at_times=False) == MappingConfiguration()


def gone():
    """Find no function."""
    msg = "no function"
    raise ResourceNotFoundException(msg)


@pytest.mark.rule("ESM-030")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, ResourceNotFoundException),
        ({"batch_size": 0}, ValidationException),
        ({"batch_size": 10_001}, ValidationException),
        ({"maximum_batching_window_in_seconds": 301}, ValidationException),
        ({"maximum_concurrency": 1}, ValidationException),
        ({"minimum_pollers": 201}, ValidationException),
        ({"maximum_pollers": 2_001}, ValidationException),
        ({"filter_criteria": 5}, UsageError),
        ({"batch_size": 11}, ResourceNotFoundException),  # what depends on the queue comes later
        ({"metrics": ["Nothing"]}, ResourceNotFoundException),
    ],
    ids=str,
)
def test_numbers_are_looked_at_before_the_function_and_combinations_after_it(changes, error):
    with pytest.raises(error):
        plan_configuration(MappingConfiguration(), changes, gone, FilterModel(), ProvisionedModel())


@pytest.mark.rule("ESM-030")
def test_a_configuration_is_refused_for_what_aws_looks_at_first():
    """Each of these is wrong in all that follows it."""
    wrong = {"maximum_concurrency": 5, "minimum_pollers": 6, "maximum_pollers": 5, "batch_size": 11}
    ends = {"is_one_region": False, "visibility_timeout": 1, "is_fifo": True}
    mends = [
        ("10 for FIFO", lambda: ends.update(is_fifo=False)),
        ("batch size is greater than 10", lambda: wrong.update(batch_size=10)),
        ("less than Function timeout", lambda: ends.update(visibility_timeout=30)),
        ("cannot be set together", lambda: wrong.update(maximum_concurrency=None)),
        ("greater than MaximumPollers", lambda: wrong.update(minimum_pollers=5)),
        ("same region", lambda: ends.update(is_one_region=True)),
    ]
    for text, mend in mends:
        with pytest.raises(InvalidParameterValueException, match=text):
            plan(wrong, **ends)
        mend()
    assert plan(wrong, **ends)


@pytest.mark.parametrize("words", ["EventCount", ["EventCount", "Other"], 5])
@pytest.mark.parametrize("name", ["metrics", "function_response_types"])
def test_words_are_those_that_there_are(name, words):
    with pytest.raises(UsageError, match=name):
        plan({name: words})


@pytest.mark.rule("ESM-023")
@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"starting_position": "LATEST"}, InvalidParameterValueException, "Unsupported StartingPosition"),
        ({"colour": 1, "topics": ["a"]}, InvalidParameterValueException, "Unsupported Topics"),
        ({"colour": 1, "size": 2}, UsageError, "call.. has no parameter colour, size"),
        ({"colour": None, "topics": None}, None, ""),
    ],
    ids=str,
)
def test_parameters_of_other_sources_are_refused_as_aws_does_and_unknown_ones_by_name(given, error, text):
    if error is None:
        refuse_others("call", given)
        return
    with pytest.raises(error, match=text):
        refuse_others("call", given)
