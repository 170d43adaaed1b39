"""Every refusal of the functions side of Lambda: its class, code, text, status and fault."""

from __future__ import annotations

import inspect
import pickle

import pytest

from lambdasim import Simulation
from lambdasim.errors import AwsError, LambdaError, LambdasimError, lambda_
from lambdasim.lambda_ import LambdaFaults

# Shape, which is the code as well: HTTP status, whether the caller is at fault.
SHAPES = {
    "ValidationException": (400, True),
    "ResourceNotFoundException": (404, True),
    "ResourceConflictException": (409, True),
    "ResourceInUseException": (400, True),
    "InvalidParameterValueException": (400, True),
    "RequestTooLargeException": (413, True),
    "InvalidRequestContentException": (400, True),
    "TooManyRequestsException": (429, True),
    "ProvisionedConcurrencyConfigNotFoundException": (404, True),
    "PreconditionFailedException": (412, True),
    "UnknownOperationException": (404, True),
    "ServiceException": (500, False),
}


@pytest.mark.rule("LAM-065")
@pytest.mark.parametrize("shape", SHAPES)
def test_each_error_has_its_shape_code_status_and_fault(shape):
    http_status, sender_fault = SHAPES[shape]
    kind = getattr(lambda_, shape)
    error = kind("what went wrong")
    assert shape == kind.__name__ == kind.shape == error.shape == kind.code == error.code
    assert (http_status, sender_fault) == (error.http_status, error.sender_fault)
    assert "what went wrong" == error.message == str(error)
    assert error.reason is None
    assert isinstance(error, LambdaError)
    assert isinstance(error, AwsError)
    assert isinstance(error, LambdasimError)


@pytest.mark.rule("LAM-065")
def test_the_table_has_every_error_that_there_is():
    kinds = {name for name, kind in inspect.getmembers(lambda_, inspect.isclass) if issubclass(kind, LambdaError)}
    assert set(SHAPES) == kinds - {"LambdaError"}
    assert sorted(SHAPES) == sorted(lambda_.__all__)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_error_survives_pickling(shape):
    error = getattr(lambda_, shape)("text", reason="why")
    copy = pickle.loads(pickle.dumps(error))
    assert type(error) is type(copy)
    assert ("text", "why") == (copy.message, copy.reason)


VALIDATION, PARAMETER = "ValidationException", "InvalidParameterValueException"
NOT_FOUND, CONFLICT = "ResourceNotFoundException", "ResourceConflictException"
TOO_MANY = "TooManyRequestsException"
ACCOUNT = "arn:aws:lambda:us-east-1:123456789012:function:"
WORKER = f"{ACCOUNT}worker"
VARIABLES = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
)
RESERVED_KEYS = (
    f"{VARIABLES}contains reserved keys that are currently not supported for modification. "
    "Reserved keys used in this request: "
)
ALIAS_PATTERN = "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
FUNCTIONS_ONLY = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please "
    "specify either a function name or an unqualified function ARN."
)
NO_CONFIG = "No Provisioned Concurrency Config found for this function"
NOT_PROVISIONABLE = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
NO_VERSION = "The function resource provided must be an alias or a published version."
BUCKET, TABLE = "arn:aws:s3:::bucket", "arn:aws:dynamodb:us-east-1:123456789012:table/orders"


class World:
    """A simulation with a function for everything that can be refused."""

    def __init__(self):
        self.sim = sim = Simulation()
        self.worker = sim.create_function("worker", lambda event, context: None, environment={"KEY": "v"})
        for number in (1, 2):
            self.worker.update_function_configuration(description=str(number))
            self.worker.publish_version()
        self.worker.create_alias("live", "1")
        self.ready = sim.create_function("ready")
        for number in (1, 2):
            self.ready.update_function_configuration(description=str(number))
            self.ready.publish_version()
            self.ready.create_alias(f"alias{number}", str(number))
        self.ready.put_provisioned_concurrency_config("alias1", 2)
        self.ready.put_provisioned_concurrency_config("2", 1)
        self.reserved = sim.create_function("reserved", reserved_concurrent_executions=5)
        self.reserved.publish_version()
        self.reserved.put_provisioned_concurrency_config("1", 2)
        self.stopped = sim.create_function("stopped", reserved_concurrent_executions=0)
        self.fast = sim.create_function("fast", duration=0, reserved_concurrent_executions=1)
        self.refusing = sim.create_function("refusing", faults=LambdaFaults(service_error=1.0))
        self.hurried = sim.create_function("hurried", faults=LambdaFaults(caller_rate=1.0))
        self.gone = sim.create_function("gone")
        self.gone.delete_function()
        for _ in range(10):
            self.fast.invoke()
        small = Simulation(concurrent_executions=1)
        self.busy = small.create_function("busy", duration=1)
        self.busy.invoke(invocation_type="Event")
        small.run(until=0)
        self.quick = Simulation(concurrent_executions=1).create_function("quick", duration=0)
        for _ in range(10):
            self.quick.invoke()

    def state(self):
        """Return all that can be seen, but for what a throttle counts."""
        sim = self.sim
        return (
            [
                (
                    function.snapshot(),
                    function.list_versions_by_function(),
                    function.list_aliases(),
                    function.get_function_concurrency(),
                    function.list_provisioned_concurrency_configs(),
                    function.list_function_event_invoke_configs(),
                    function.events,
                )
                for function in sim.functions
            ],
            sim.list_functions(),
            sim.get_account_settings(),
            [record for record in sim.trace.records if record.kind != "choice made"],
            sim.now_us,
        )


def out_of_range(value, field, bound):
    return (
        f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: "
        f"Member must have value {bound}"
    )


_PLACE = (
    "Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?"
    r"-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
)
NAME = _PLACE + r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
NEW_NAME = _PLACE + r"([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
LENGTH = "Member must have length less than or equal to 64"


def malformed(value, field, rest="…"):
    return f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {rest}"


def not_found(arn):
    return f"Function not found: {arn}"


def create(function_name="new", **parameters):
    return lambda w: w.sim.create_function(function_name, **parameters)


def change(**parameters):
    return lambda w: w.worker.update_function_configuration(**parameters)


def invoke(payload=None, **parameters):
    return lambda w: w.worker.invoke(payload, **parameters)


def reserve(number, **parameters):
    return lambda w: w.worker.put_function_concurrency(number, **parameters)


def provision(qualifier, number, function="ready"):
    return lambda w: getattr(w, function).put_provisioned_concurrency_config(qualifier, number)


def put_events(qualifier=None, **parameters):
    return lambda w: w.worker.put_function_event_invoke_config(qualifier, **parameters)


def destination_text(on_success="null", on_failure="null"):
    return (
        f"The provided destination config DestinationConfig(onSuccess={on_success}, onFailure={on_failure}) is invalid."
    )


def too_large(size):
    return '"' + "x" * (size - 2) + '"'


# What is called, the shape of its refusal and its text; one that ends in … says how it begins.
REFUSALS = {
    # LAM-021, LAM-065 rows 1 and 2
    "name: character": (create("a b"), VALIDATION, malformed("a b", "functionName", NEW_NAME)),
    "name: dot": (create("a.b"), VALIDATION, malformed("a.b", "functionName", NEW_NAME)),
    "name: empty": (create(""), VALIDATION, malformed("", "functionName", NEW_NAME)),
    "name: too long": (create("a" * 65), VALIDATION, malformed("a" * 65, "functionName", LENGTH)),
    "invoke: name": (lambda w: w.sim.invoke("a b"), VALIDATION, malformed("a b", "functionName", NAME)),
    "invoke: long name": (lambda w: w.sim.invoke("a" * 65), VALIDATION, malformed("a" * 65, "functionName", LENGTH)),
    "invoke: qualifier": (invoke(qualifier="a b"), VALIDATION, malformed("a b", "qualifier")),
    "invoke: type": (invoke(invocation_type="Sync"), VALIDATION, malformed("Sync", "invocationType")),
    "invoke: type of log": (invoke(log_type="All"), VALIDATION, malformed("All", "logType")),
    "invoke: client context": (invoke(client_context="x" * 3_584), VALIDATION, "1 validation error detected: …"),
    **{
        f"invoke: client context {name}": (
            invoke(client_context=text),
            "InvalidRequestContentException",
            "Client context must be a valid Base64-encoded JSON object.",
        )
        for name, text in {"no base64": "{}", "no JSON": "eA==", "no object": "W10="}.items()
    },
    "list: too few": (
        lambda w: w.sim.list_functions(max_items=0),
        VALIDATION,
        out_of_range(0, "maxItems", "greater than or equal to 1"),
    ),
    "list: too many": (
        lambda w: w.sim.list_functions(max_items=10_001),
        VALIDATION,
        out_of_range(10_001, "maxItems", "less than or equal to 10000"),
    ),
    "invoke: two qualifiers": (
        lambda w: w.sim.invoke("worker:live", qualifier="1"),
        PARAMETER,
        "The derived qualifier from the function name does not match the specified qualifier.",
    ),
    "find: nobody": (lambda w: w.sim.function("nobody"), NOT_FOUND, not_found(f"{ACCOUNT}nobody:$LATEST")),
    "find: ARN": (
        lambda w: w.sim.function("arn:aws:lambda:eu-west-1:210987654321:function:worker"),
        NOT_FOUND,
        not_found("arn:aws:lambda:eu-west-1:210987654321:function:worker:$LATEST"),
    ),
    "invoke: nobody": (lambda w: w.sim.invoke("nobody"), NOT_FOUND, not_found(f"{ACCOUNT}nobody:$LATEST")),
    "invoke: alias of nobody": (
        lambda w: w.sim.invoke("nobody:live"),
        NOT_FOUND,
        not_found(f"{ACCOUNT}nobody:live"),
    ),
    "invoke: version": (invoke(qualifier="3"), NOT_FOUND, not_found(f"{WORKER}:3")),
    "invoke: alias": (invoke(qualifier="test"), NOT_FOUND, not_found(f"{WORKER}:test")),
    "dry run: alias": (
        invoke(qualifier="test", invocation_type="DryRun"),
        NOT_FOUND,
        not_found(f"{WORKER}:test"),
    ),
    "event: alias": (invoke(qualifier="test", invocation_type="Event"), NOT_FOUND, not_found(f"{WORKER}:test")),
    "configuration: version": (
        lambda w: w.worker.get_function_configuration("3"),
        NOT_FOUND,
        not_found(f"{WORKER}:3"),
    ),
    "configuration: alias": (
        lambda w: w.worker.get_function_configuration("test"),
        NOT_FOUND,
        not_found(f"{WORKER}:test"),
    ),
    # LAM-022 to LAM-024
    **{
        f"{how.__name__} {name}={value}": (how(**{name: value}), VALIDATION, out_of_range(value, field, bound))
        for how in (create, change)
        for name, field, value, bound in (
            ("timeout", "timeout", 0, "greater than or equal to 1"),
            ("timeout", "timeout", 901, "less than or equal to 900"),
            ("memory_size", "memorySize", 127, "greater than or equal to 128"),
            ("memory_size", "memorySize", 10_241, "less than or equal to 10240"),
        )
    },
    "create: exists": (create("worker"), CONFLICT, "Function already exist: worker"),
    **{
        f"{how.__name__} variable {key}": (how(environment={key: "v"}), PARAMETER, text)
        for how in (create, change)
        for key, text in (
            ("A", "…"),
            ("1A", "…"),
            ("A-B", "…"),
            ("AWS_REGION", f"{RESERVED_KEYS}AWS_REGION"),
            ("LAMBDA_TASK_ROOT", f"{RESERVED_KEYS}LAMBDA_TASK_ROOT"),
        )
    },
    **{
        f"{how.__name__} variables": (
            how(environment={"KEY": "é" * 2_044}),
            PARAMETER,
            f'{VARIABLES}exceeded the 4KB limit. String measured: {{"KEY":"{"é" * 2_044}"}}',
        )
        for how in (create, change)
    },
    # LAM-026 to LAM-028
    "alias: exists": (
        lambda w: w.worker.create_alias("live", "2"),
        CONFLICT,
        f"Alias already exists: {WORKER}:live",
    ),
    "alias: of no version": (lambda w: w.worker.create_alias("test", "3"), NOT_FOUND, not_found(f"{WORKER}:3")),
    "alias: moved to no version": (
        lambda w: w.worker.update_alias("live", function_version="3"),
        NOT_FOUND,
        not_found(f"{WORKER}:3"),
    ),
    "alias: get": (lambda w: w.worker.get_alias("test"), NOT_FOUND, f"Cannot find alias arn: {WORKER}:test"),
    "alias: update": (
        lambda w: w.worker.update_alias("test", function_version="1"),
        NOT_FOUND,
        f"Alias not found: {WORKER}:test",
    ),
    **{
        f"alias: named {name}": (
            lambda w, name=name: w.worker.create_alias(name, "1"),
            VALIDATION,
            malformed(name, "name", ALIAS_PATTERN),
        )
        for name in ("123", "a b", "a.b", "$LATEST")
    },
    "delete: version behind an alias": (
        lambda w: w.worker.delete_function(qualifier="1"),
        CONFLICT,
        "Unable to delete version because the following aliases reference it: [live]",
    ),
    "delete: $LATEST": (
        lambda w: w.worker.delete_function(qualifier="$LATEST"),
        PARAMETER,
        "$LATEST version cannot be deleted without deleting the function.",
    ),
    **{
        f"delete: {name}": (
            lambda w, name=name: w.worker.delete_function(qualifier=name),
            PARAMETER,
            "Deletion of aliases is not currently supported.",
        )
        for name in ("live", "test")
    },
    "deleted: invoke": (lambda w: w.gone.invoke(), NOT_FOUND, not_found(f"{ACCOUNT}gone:$LATEST")),
    "deleted: delete": (lambda w: w.gone.delete_function(), NOT_FOUND, not_found(f"{ACCOUNT}gone:$LATEST")),
    # LAM-065 rows 3 to 7, ASY-012
    "invoke: size": (
        invoke(too_large(6_291_457)),
        "RequestTooLargeException",
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
    ),
    "event: size": (
        invoke(too_large(1_048_577), invocation_type="Event"),
        "RequestTooLargeException",
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
    ),
    "invoke: JSON": (
        invoke("{"),
        "InvalidRequestContentException",
        "Could not parse request body into json: …",
    ),
    "event: JSON": (
        invoke("{", invocation_type="Event"),
        "InvalidRequestContentException",
        "Could not parse request body into json: …",
    ),
    "invoke: service": (
        lambda w: w.refusing.invoke(),
        "ServiceException",
        "Internal service error (injected)",
    ),
    "rate of the caller": (
        lambda w: w.hurried.invoke(),
        TOO_MANY,
        ("Rate exceeded", "CallerRateLimitExceeded"),
    ),
    "rate of the account": (
        lambda w: w.quick.invoke(),
        TOO_MANY,
        ("Rate Exceeded.", "FunctionInvocationRateLimitExceeded"),
    ),
    "rate of the reserve": (
        lambda w: w.fast.invoke(),
        TOO_MANY,
        ("Rate Exceeded.", "ReservedFunctionInvocationRateLimitExceeded"),
    ),
    "concurrency of the account": (
        lambda w: w.busy.invoke(),
        TOO_MANY,
        ("Rate Exceeded.", "ConcurrentInvocationLimitExceeded"),
    ),
    "concurrency of the reserve": (
        lambda w: w.stopped.invoke(),
        TOO_MANY,
        ("Rate Exceeded.", "ReservedFunctionConcurrentInvocationLimitExceeded"),
    ),
    # LAM-152 to LAM-154
    "reserve: negative": (
        reserve(-1),
        VALIDATION,
        out_of_range(-1, "reservedConcurrentExecutions", "greater than or equal to 0"),
    ),
    "reserve: too much": (
        reserve(892),
        PARAMETER,
        (
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            "below its minimum value of [100]."
        ),
    ),
    "reserve: less than provisioned": (
        lambda w: w.reserved.put_function_concurrency(1),
        PARAMETER,
        (" ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."),
    ),
    **{
        f"reserve: of {qualifier}": (reserve(1, qualifier=qualifier), PARAMETER, FUNCTIONS_ONLY)
        for qualifier in ("1", "live", "$LATEST")
    },
    "reserve: get of a version": (
        lambda w: w.worker.get_function_concurrency(qualifier="1"),
        PARAMETER,
        FUNCTIONS_ONLY,
    ),
    "reserve: delete of an alias": (
        lambda w: w.worker.delete_function_concurrency(qualifier="live"),
        PARAMETER,
        FUNCTIONS_ONLY,
    ),
    # LAM-171
    **{
        f"provision: {number}": (
            provision("alias1", number),
            VALIDATION,
            out_of_range(number, "provisionedConcurrentExecutions", "greater than or equal to 1"),
        )
        for number in (0, -1)
    },
    "provision: $LATEST": (provision("$LATEST", 1), PARAMETER, NOT_PROVISIONABLE),
    "provision: alias moved to $LATEST": (
        lambda w: w.ready.update_alias("alias1", function_version="$LATEST"),
        PARAMETER,
        NOT_PROVISIONABLE,
    ),
    "provision: get of $LATEST": (
        lambda w: w.ready.get_provisioned_concurrency_config("$LATEST"),
        PARAMETER,
        NO_VERSION,
    ),
    "provision: delete of $LATEST": (
        lambda w: w.ready.delete_provisioned_concurrency_config("$LATEST"),
        PARAMETER,
        NO_VERSION,
    ),
    "provision: alias": (provision("test", 1), NOT_FOUND, f"Cannot find alias arn: {ACCOUNT}ready:test"),
    "provision: version": (provision("3", 1), NOT_FOUND, not_found(f"{ACCOUNT}ready:3")),
    "provision: alias of a provisioned version": (
        provision("alias2", 1),
        CONFLICT,
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
    ),
    "provision: version of a provisioned alias": (
        provision("1", 1),
        CONFLICT,
        "Version is pointed by a Provisioned Concurrency alias",
    ),
    "provision: more than reserved": (
        provision("1", 6, "reserved"),
        PARAMETER,
        ("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"),
    ),
    "provision: more than there is": (
        provision("live", 995, "worker"),
        PARAMETER,
        "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [994].",
    ),
    "provision: too much": (
        provision("live", 892, "worker"),
        PARAMETER,
        (
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            "minimum value of [100]."
        ),
    ),
    "provision: get of none": (
        lambda w: w.worker.get_provisioned_concurrency_config("live"),
        "ProvisionedConcurrencyConfigNotFoundException",
        NO_CONFIG,
    ),
    # ASY-061, ASY-066, ASY-097
    "DLQ: no queue": (change(dead_letter_target_arn="nonsense"), VALIDATION, "1 validation error detected: …"),
    "DLQ: function": (change(dead_letter_target_arn=WORKER), VALIDATION, "1 validation error detected: …"),
    **{
        f"events: {name}={value}": (put_events(**{name: value}), VALIDATION, out_of_range(value, field, bound))
        for name, field, value, bound in (
            ("maximum_retry_attempts", "maximumRetryAttempts", -1, "greater than or equal to 0"),
            ("maximum_retry_attempts", "maximumRetryAttempts", 3, "less than or equal to 2"),
            ("maximum_event_age_in_seconds", "maximumEventAgeInSeconds", 59, "greater than or equal to 60"),
            ("maximum_event_age_in_seconds", "maximumEventAgeInSeconds", 21_601, "less than or equal to 21600"),
        )
    },
    "events: nothing": (
        put_events(),
        PARAMETER,
        "You must specify at least one of error handling or destination setting.",
    ),
    "events: version": (put_events("3", maximum_retry_attempts=1), NOT_FOUND, "The function doesn't exist."),
    **{
        f"events: {verb}": (
            lambda w, verb=verb, more=more: getattr(w.worker, f"{verb}_function_event_invoke_config")("1", **more),
            NOT_FOUND,
            f"The function {WORKER}:1 doesn't have an EventInvokeConfig",
        )
        for verb, more in (("get", {}), ("delete", {}), ("update", {"maximum_retry_attempts": 1}))
    },
    "events: to nobody": (
        put_events(on_failure=f"{ACCOUNT}nobody"),
        PARAMETER,
        f"The destination ARN {ACCOUNT}nobody is invalid.",
    ),
    "events: to itself": (
        put_events(on_failure=WORKER),
        PARAMETER,
        "You can't specify the function as a destination for itself.",
    ),
    "events: success to a bucket": (
        put_events(on_success=BUCKET),
        PARAMETER,
        destination_text(on_success=f"OnSuccess(destination={BUCKET})"),
    ),
    "events: failure to a table": (
        put_events(on_failure=TABLE),
        PARAMETER,
        destination_text(on_failure=f"OnFailure(destination={TABLE})"),
    ),
    "events: failure to nonsense": (
        put_events(on_failure="nonsense"),
        VALIDATION,
        malformed("nonsense", "destinationConfig.onFailure.destination"),
    ),
}


@pytest.mark.rule("LAM-021", "LAM-022", "LAM-023", "LAM-024", "LAM-026", "LAM-028", "LAM-065", "LAM-201", "LAM-202")
@pytest.mark.rule("LAM-152", "LAM-153", "LAM-154", "LAM-171", "ASY-012", "ASY-061", "ASY-066", "ASY-097")
@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_has_its_shape_code_status_and_text_and_changes_nothing(case):
    call, shape, message = REFUSALS[case]
    world = World()
    before = world.state()
    with pytest.raises(LambdaError) as caught:
        call(world)
    error = caught.value
    text, reason = message if isinstance(message, tuple) else (message, None)
    assert shape == type(error).__name__ == error.shape == error.code
    if text.endswith("…"):
        assert error.message.startswith(text.removesuffix("…"))
        assert len(error.message) > len(text)
    else:
        assert text == error.message
    assert (*SHAPES[shape], reason) == (error.http_status, error.sender_fault, error.reason)
    if shape != TOO_MANY:  # which counts itself
        assert before == world.state()
    world.sim.check_invariants()


@pytest.mark.rule("LAM-065")
def test_every_error_of_the_functions_side_is_in_the_table_of_refusals():
    raised = {shape for _, shape, _ in REFUSALS.values()}
    elsewhere = {"ResourceInUseException", "PreconditionFailedException", "UnknownOperationException"}
    assert set(SHAPES) - raised == elsewhere  # of event source mappings, and of real clients


NO_REFUSALS = {
    "deleting a provisioned concurrency that is not there": lambda w: w.worker.delete_provisioned_concurrency_config(
        "live"
    ),
    "deleting a reserve that is not there": lambda w: w.worker.delete_function_concurrency(),
    "reserving nothing": lambda w: w.worker.put_function_concurrency(0),
    "reserving all but 100": lambda w: w.worker.put_function_concurrency(891),
    "provisioning all but 100": lambda w: w.worker.put_provisioned_concurrency_config("live", 891),
    "provisioning all that is reserved": lambda w: w.reserved.put_provisioned_concurrency_config("1", 5),
    "reserving what is provisioned": lambda w: w.reserved.put_function_concurrency(2),
}


@pytest.mark.rule("LAM-152", "LAM-153", "LAM-155", "LAM-171")
@pytest.mark.parametrize("case", NO_REFUSALS)
def test_what_lies_just_inside_the_bounds_is_no_refusal(case):
    world = World()
    NO_REFUSALS[case](world)
    world.sim.check_invariants()
