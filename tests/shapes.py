"""
Values of botocore's service models, as strategies of Hypothesis, and requests made of them by botocore itself.

They are valid: what a model requires is there, names are those of its enumerations, sizes are within its bounds.
"""

from __future__ import annotations

from datetime import UTC, datetime

from botocore.awsrequest import AWSPreparedRequest, HeadersDict, create_request_object, prepare_request_dict
from hypothesis import strategies as st

# Texts that XML, forms and addresses can carry, with what they must escape.
texts = st.one_of(
    st.sampled_from(("a", "order 1", "a+b&c=d%20e", '<a href="x">', "\t\r\n", " é ✓ 𝄞 ", "true", "null", "1.5")),
    st.text(
        st.characters(exclude_categories=("Cs",), exclude_characters=[*map(chr, range(32)), "\ufffe", "\uffff"]),
        min_size=1,
        max_size=8,
    ),
)
# Texts that a header can carry.
header_texts = st.one_of(
    st.sampled_from(("a", "$LATEST", "eyJhIjoxfQ==", "a, b;c")),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8),
)
# In whole seconds: some versions of botocore write no more of a time than that.
moments = st.integers(0, 4_102_444_800).map(lambda second: datetime.fromtimestamp(second, UTC))


def values(shape, *, is_whole=False):
    """Values of a shape, as clients hand them in and get them back; if *is_whole* no member is missing."""
    bounds = shape.metadata
    match shape.type_name:
        case "structure":
            members = {name: _member(member, is_whole=is_whole) for name, member in shape.members.items()}
            if shape.serialization.get("eventstream"):
                return st.lists(
                    st.one_of([st.fixed_dictionaries({name: value}) for name, value in members.items()]), max_size=3
                )
            required = {name: members.pop(name) for name in list(members) if is_whole or name in shape.required_members}
            return st.fixed_dictionaries(required, optional=members)
        case "list":
            least = bounds.get("min", int(is_whole))
            return st.lists(values(shape.member, is_whole=is_whole), min_size=least, max_size=max(2, least))
        case "map":
            value = values(shape.value, is_whole=is_whole)
            return st.dictionaries(values(shape.key), value, min_size=int(is_whole), max_size=2)
        case "string":
            if "enum" in bounds:
                return st.sampled_from(bounds["enum"])
            text = header_texts if shape.serialization.get("location") == "header" else texts
            return text.map(lambda value: value.ljust(bounds.get("min", 0), "x"))
        case "integer" | "long":
            return st.integers(bounds.get("min", -(2**31)), bounds.get("max", 2**31 - 1))
        case "float" | "double":
            return st.floats(bounds.get("min", -1e9), bounds.get("max", 1e9))
        case "boolean":
            return st.booleans()
        case "blob":
            return st.binary(max_size=20)
        case "timestamp":
            return moments
    raise NotImplementedError(shape.type_name)


def _member(shape, *, is_whole):
    if shape.serialization.get("location") == "statusCode":
        return st.sampled_from((200, 202))
    return values(shape, is_whole=is_whole)


def request_of(serializer, operation, parameters, *, endpoint):
    """The request that botocore makes of an operation and its parameters, unsigned."""
    serialized = serializer.serialize_to_request(parameters, operation)
    prepare_request_dict(serialized, endpoint_url=endpoint, context={})
    return create_request_object(serialized).prepare()


def prepared(method, url, headers=(), body=None):
    """A request as a client hands it to the network."""
    return AWSPreparedRequest(method, url, HeadersDict(dict(headers)), body, stream_output=False)
