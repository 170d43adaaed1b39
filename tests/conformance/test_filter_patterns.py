"""The pattern language, case by case: what a pattern accepts of a record (FLT-401)."""

from __future__ import annotations

import pytest

from lambdasim import FilterModel, compile_pattern
from lambdasim.errors.events import InvalidEventPatternException

LAMBDA, PIPES, EVENTBRIDGE = "lambda", "pipes", "eventbridge"
LITERAL = "lambda, numbers by their text"

# Id, dialect, pattern, record, what comes of it, rule.
CASES = [
    ("A001", LAMBDA, '{"a":["x"]}', '{"a":"x"}', "match", "FLT-060"),
    ("A002", LAMBDA, '{"a":["x"]}', '{"a":"X"}', "no", "FLT-060"),
    ("A003", LAMBDA, '{"a":["x","y"]}', '{"a":"y"}', "match", "FLT-051"),
    ("A004", LAMBDA, '{"a":["x"]}', "{}", "no", "FLT-051"),
    ("A005", LAMBDA, '{"a":["x"]}', '{"A":"x"}', "no", "FLT-060"),
    ("A006", LAMBDA, '{"a":["x"],"b":["y"]}', '{"a":"x","b":"y"}', "match", "FLT-050"),
    ("A007", LAMBDA, '{"a":["x"],"b":["y"]}', '{"a":"x","b":"z"}', "no", "FLT-050"),
    ("A008", LAMBDA, '{"a":["x"]}', '{"a":"x","z":1}', "match", "FLT-050"),
    ("A009", LAMBDA, '{"a":{"b":{"c":["x"]}}}', '{"a":{"b":{"c":"x"}}}', "match", "FLT-040"),
    ("A010", LAMBDA, '{"a":["x"]}', '{"a":{"b":"x"}}', "no", "FLT-040"),
    ("A011", LAMBDA, '{"a.b":["x"]}', '{"a":{"b":"x"}}', "match", "FLT-022"),
    ("A012", LAMBDA, '{"a":{"b":["x"]}}', '{"a.b":"x"}', "match", "FLT-022"),
    ("A013", LAMBDA, '{"a":["é"]}', r'{"a":"\u00e9"}', "match", "FLT-060"),
    ("A014", LAMBDA, '{"a":["é"]}', r'{"a":"e\u0301"}', "no", "FLT-060"),
    ("A015", LAMBDA, '{"a":[""]}', '{"a":""}', "match", "FLT-064"),
    ("A016", LAMBDA, '{"a":[""]}', '{"a":null}', "no", "FLT-064"),
    ("A017", LAMBDA, '{"a":[""]}', "{}", "no", "FLT-064"),
    ("A018", LAMBDA, '{"a":[null]}', '{"a":null}', "match", "FLT-062"),
    ("A019", LAMBDA, '{"a":[null]}', "{}", "no", "FLT-062"),
    ("A020", LAMBDA, '{"a":[null]}', '{"a":"null"}', "no", "FLT-062"),
    ("A021", LAMBDA, '{"a":[null]}', '{"a":[null,1]}', "match", "FLT-041"),
    ("A022", LAMBDA, '{"a":[true]}', '{"a":"true"}', "no", "FLT-062"),
    ("A023", LAMBDA, '{"a":["true"]}', '{"a":true}', "no", "FLT-062"),
    ("A024", LAMBDA, '{"a":[1]}', '{"a":true}', "no", "FLT-062"),
    ("A025", LAMBDA, '{"a":[false]}', '{"a":0}', "no", "FLT-062"),
    ("A026", LAMBDA, '{"a":[300]}', '{"a":300}', "match", "FLT-061"),
    ("A027", LAMBDA, '{"a":[300]}', '{"a":300.0}', "match", "FLT-061"),
    ("A028", LAMBDA, '{"a":[300]}', '{"a":3.0e2}', "match", "FLT-061"),
    ("A029", LAMBDA, '{"a":[300]}', '{"a":"300"}', "no", "FLT-061"),
    ("A030", LAMBDA, '{"a":["300"]}', '{"a":300}', "no", "FLT-060"),
    ("A031", LAMBDA, '{"a":[-0]}', '{"a":0}', "match", "FLT-061"),
    ("A032", LAMBDA, '{"a":[1,"1"]}', '{"a":"1"}', "match", "FLT-051"),
    ("A033", LAMBDA, '{"a":[9007199254740993]}', '{"a":9007199254740993}', "match", "FLT-063"),
    ("A034", LAMBDA, '{"a":[9007199254740993]}', '{"a":9007199254740993.0}', "no", "FLT-063"),
    ("A035", LITERAL, '{"a":[300]}', '{"a":300.0}', "no", "FLT-061"),
    ("A036", LITERAL, '{"a":[3.0e2]}', '{"a":300}', "no", "FLT-061"),
    ("A037", LITERAL, '{"a":[{"numeric":["=",300]}]}', '{"a":3.0e2}', "match", "FLT-061"),
    ("A038", LAMBDA, '{"a":[{"numeric":["=",1]}]}', '{"a":1.0}', "match", "FLT-065"),
    ("A039", LAMBDA, '{"a":[{"numeric":["=",1]}]}', '{"a":"1"}', "no", "FLT-065"),
    ("A040", LAMBDA, '{"a":[{"numeric":[">",0]}]}', '{"a":null}', "no", "FLT-065"),
    ("A041", LAMBDA, '{"a":[{"numeric":[">",10]}]}', '{"a":10}', "no", "FLT-065"),
    ("A042", LAMBDA, '{"a":[{"numeric":[">=",10]}]}', '{"a":10}', "match", "FLT-065"),
    ("A043", LAMBDA, '{"a":[{"numeric":["<=",-5]}]}', '{"a":-5.0}', "match", "FLT-065"),
    ("A044", LAMBDA, '{"a":[{"numeric":[">",0,"<=",5]}]}', '{"a":5}', "match", "FLT-065"),
    ("A045", LAMBDA, '{"a":[{"numeric":[">",0,"<=",5]}]}', '{"a":0}', "no", "FLT-065"),
    ("A046", LAMBDA, '{"a":[{"numeric":[">",0,"<",5]}]}', '{"a":[-1,3]}', "match", "FLT-041"),
    ("A047", LAMBDA, '{"a":[{"numeric":[">",5000000000]}]}', '{"a":6000000000}', "match", "FLT-065"),
    ("A048", LAMBDA, '{"a":[{"numeric":[">",9007199254740991]}]}', '{"a":9007199254740993}', "no", "FLT-063"),
    ("A049", LAMBDA, '{"a":[{"numeric":["<",0]},{"numeric":[">",9]}]}', '{"a":10}', "match", "FLT-051"),
    ("A050", LAMBDA, '{"a":[{"prefix":"ab"}]}', '{"a":"abc"}', "match", "FLT-066"),
    ("A051", LAMBDA, '{"a":[{"prefix":"ab"}]}', '{"a":"Abc"}', "no", "FLT-066"),
    ("A052", LAMBDA, '{"a":[{"prefix":""}]}', '{"a":""}', "match", "FLT-066"),
    ("A053", LAMBDA, '{"a":[{"prefix":"1"}]}', '{"a":12}', "no", "FLT-066"),
    ("A054", LAMBDA, '{"a":[{"suffix":".png"}]}', '{"a":"x.png"}', "match", "FLT-067"),
    ("A055", LAMBDA, '{"a":[{"suffix":".png"}]}', '{"a":"x.PNG"}', "no", "FLT-067"),
    ("A056", LAMBDA, '{"a":[{"equals-ignore-case":"Ready"}]}', '{"a":"rEADY"}', "match", "FLT-068"),
    ("A057", LAMBDA, '{"a":[{"equals-ignore-case":"É"}]}', '{"a":"é"}', "match", "FLT-068"),
    ("A058", LAMBDA, '{"a":[{"equals-ignore-case":"true"}]}', '{"a":true}', "no", "FLT-068"),
    ("A059", PIPES, '{"a":[{"prefix":{"equals-ignore-case":"AB"}}]}', '{"a":"abc"}', "match", "FLT-066"),
    ("A060", PIPES, '{"a":[{"suffix":{"equals-ignore-case":".PNG"}}]}', '{"a":"x.png"}', "match", "FLT-067"),
    ("A061", LAMBDA, '{"a":[{"prefix":{"equals-ignore-case":"AB"}}]}', '{"a":"abc"}', "invalid", "FLT-080"),
    ("A062", LAMBDA, '{"a":[{"anything-but":"x"}]}', '{"a":"y"}', "match", "FLT-069"),
    ("A063", LAMBDA, '{"a":[{"anything-but":"x"}]}', '{"a":"x"}', "no", "FLT-069"),
    ("A064", LAMBDA, '{"a":[{"anything-but":["x","y"]}]}', '{"a":"y"}', "no", "FLT-069"),
    ("A065", LAMBDA, '{"a":[{"anything-but":["x"]}]}', "{}", "no", "FLT-069"),
    ("A066", LAMBDA, '{"a":[{"anything-but":["x"]}]}', '{"a":null}', "match", "FLT-069"),
    ("A067", LAMBDA, '{"a":[{"anything-but":["x"]}]}', '{"a":["x","y"]}', "match", "FLT-069"),
    ("A068", LAMBDA, '{"a":[{"anything-but":["x"]}]}', '{"a":["x","x"]}', "no", "FLT-069"),
    ("A069", LAMBDA, '{"a":[{"anything-but":["x"]}]}', '{"a":[]}', "no", "FLT-042"),
    ("A070", LAMBDA, '{"a":[{"anything-but":1}]}', '{"a":1.0}', "no", "FLT-069"),
    ("A071", LAMBDA, '{"a":[{"anything-but":[1,2]}]}', '{"a":"1"}', "match", "FLT-069"),
    ("A072", LAMBDA, '{"a":[{"anything-but":["1"]}]}', '{"a":1}', "match", "FLT-069"),
    ("A073", LAMBDA, '{"a":[{"anything-but":"x"},"x"]}', '{"a":"x"}', "match", "FLT-051"),
    ("A074", EVENTBRIDGE, '{"a":[{"anything-but":{"prefix":"in"}}]}', '{"a":"init"}', "no", "FLT-070"),
    ("A075", EVENTBRIDGE, '{"a":[{"anything-but":{"prefix":["in","out"]}}]}', '{"a":"outer"}', "no", "FLT-070"),
    ("A076", EVENTBRIDGE, '{"a":[{"anything-but":{"prefix":"1"}}]}', '{"a":1}', "match", "FLT-070"),
    ("A077", EVENTBRIDGE, '{"a":[{"anything-but":{"suffix":".log"}}]}', '{"a":null}', "match", "FLT-070"),
    (
        "A078",
        EVENTBRIDGE,
        '{"a":[{"anything-but":{"equals-ignore-case":["On","OFF"]}}]}',
        '{"a":"off"}',
        "no",
        "FLT-070",
    ),
    ("A079", EVENTBRIDGE, '{"a":[{"anything-but":{"wildcard":"*/tmp/*"}}]}', '{"a":"/x/tmp/y"}', "no", "FLT-070"),
    ("A080", LAMBDA, '{"a":[{"anything-but":{"prefix":"in"}}]}', '{"a":"out"}', "invalid", "FLT-080"),
    ("A081", PIPES, '{"a":[{"anything-but":{"prefix":"in"}}]}', '{"a":"out"}', "invalid", "FLT-080"),
    ("A082", LAMBDA, '{"a":[{"exists":true}]}', '{"a":0}', "match", "FLT-071"),
    ("A083", LAMBDA, '{"a":[{"exists":true}]}', '{"a":null}', "match", "FLT-071"),
    ("A084", LAMBDA, '{"a":[{"exists":true}]}', "{}", "no", "FLT-071"),
    ("A085", LAMBDA, '{"a":[{"exists":true}]}', '{"a":{}}', "no", "FLT-071"),
    ("A086", LAMBDA, '{"a":[{"exists":true}]}', '{"a":[]}', "no", "FLT-071"),
    ("A087", LAMBDA, '{"a":[{"exists":true}]}', '{"a":{"b":1}}', "no", "FLT-071"),
    ("A088", LAMBDA, '{"a":[{"exists":false}]}', '{"b":1}', "match", "FLT-072"),
    ("A089", LAMBDA, '{"a":[{"exists":false}]}', '{"a":null}', "no", "FLT-072"),
    ("A090", LAMBDA, '{"a":[{"exists":false}]}', '{"a":{}}', "match", "FLT-072"),
    ("A091", LAMBDA, '{"a":[{"exists":false}]}', '{"a":[]}', "match", "FLT-072"),
    ("A092", LAMBDA, '{"a":[{"exists":false}]}', '{"a":{"b":1}}', "match", "FLT-072"),
    ("A093", LAMBDA, '{"a":{"b":[{"exists":false}]}}', '{"a":1}', "match", "FLT-072"),
    ("A094", LAMBDA, '{"a":["x",{"exists":false}]}', '{"b":1}', "match", "FLT-072"),
    ("A095", LAMBDA, '{"a":["x",{"exists":false}]}', '{"a":"y"}', "no", "FLT-072"),
    ("A096", LAMBDA, '{"a":["x"]}', '{"a":["w","x"]}', "match", "FLT-041"),
    ("A097", LAMBDA, '{"a":["x"]}', '{"a":[["w"],["x"]]}', "match", "FLT-041"),
    ("A098", LAMBDA, '{"a":{"b":[1]}}', '{"a":[{"b":2},{"b":1}]}', "match", "FLT-041"),
    ("A099", LAMBDA, '{"a":{"b":[1],"c":[2]}}', '{"a":[{"b":1},{"c":2}]}', "no", "FLT-043"),
    (
        "A100",
        LAMBDA,
        '{"p":{"f":["Anna"],"l":["Jones"]}}',
        '{"p":[{"f":"Anna","l":"Smith"},{"f":"Bob","l":"Jones"}]}',
        "no",
        "FLT-043",
    ),
    (
        "A101",
        LAMBDA,
        '{"p":{"f":["Bob"],"l":["Jones"]}}',
        '{"p":[{"f":"Anna","l":"Smith"},{"f":"Bob","l":"Jones"}]}',
        "match",
        "FLT-043",
    ),
    ("A102", LAMBDA, '{"a":{"t":["x"],"u":["y"]}}', '{"a":[{"t":["w","x"],"u":["y"]}]}', "match", "FLT-043"),
    ("A103", LAMBDA, '{"a":[1],"b":[2]}', '{"a":[0,1],"b":[2,3]}', "match", "FLT-043"),
    ("A104", LAMBDA, '{"a":{"a":[5],"b":[{"exists":false}]}}', '{"a":[{"a":5},{"b":1}]}', "match", "FLT-053"),
    ("A105", LAMBDA, '{"a":{"b":[{"exists":false}],"c":[2]}}', '{"a":[{"b":1},{"c":2}]}', "no", "FLT-053"),
    ("A106", LAMBDA, '{"$or":[{"a":[1]},{"b":[2]}]}', '{"b":2}', "match", "FLT-026"),
    ("A107", LAMBDA, '{"$or":[{"a":[1]},{"b":[2]}]}', '{"a":2,"b":1}', "no", "FLT-026"),
    ("A108", LAMBDA, '{"c":["x"],"$or":[{"a":[1]},{"b":[2]}]}', '{"b":2}', "no", "FLT-026"),
    ("A109", LAMBDA, '{"c":["x"],"$or":[{"a":[1]},{"b":[2]}]}', '{"b":2,"c":"x"}', "match", "FLT-026"),
    ("A110", LAMBDA, '{"o":{"$or":[{"a":[1]},{"b":[2]}]}}', '{"o":{"b":2}}', "match", "FLT-026"),
    ("A111", LAMBDA, '{"$or":[{"a":[1],"b":[1]},{"$or":[{"c":[1]},{"d":[1]}]}]}', '{"d":1}', "match", "FLT-026"),
    ("A112", LAMBDA, '{"$or":[{"a":[1],"b":[1]},{"c":[1]}]}', '{"a":1}', "no", "FLT-026"),
    ("A113", LAMBDA, '{"a":["x"],"a":["y"]}', '{"a":"y"}', "match", "FLT-021"),
    ("A114", LAMBDA, '{"a":["x"],"a":["y"]}', '{"a":"x"}', "no", "FLT-021"),
    ("A115", LAMBDA, '{"a":["y"]}', '{"a":"x","a":"y"}', "match", "FLT-044"),
    ("A116", LAMBDA, '{"a":["x"]}', '{"a":"x","a":"y"}', "no", "FLT-044"),
    ("A117", LAMBDA, '{"a.b":["x"],"a":{"b":["y"]}}', '{"a":{"b":"y"}}', "match", "FLT-028"),
    ("A118", EVENTBRIDGE, '{"a":[{"wildcard":"a*c"}]}', '{"a":"abbc"}', "match", "FLT-073"),
    ("A119", EVENTBRIDGE, '{"a":[{"wildcard":"a*c"}]}', '{"a":"ac"}', "match", "FLT-073"),
    ("A120", EVENTBRIDGE, '{"a":[{"wildcard":"*"}]}', '{"a":""}', "match", "FLT-073"),
    ("A121", EVENTBRIDGE, r'{"a":[{"wildcard":"a\\*b"}]}', '{"a":"a*b"}', "match", "FLT-073"),
    ("A122", EVENTBRIDGE, r'{"a":[{"wildcard":"a\\*b"}]}', '{"a":"axb"}', "no", "FLT-073"),
    ("A123", LAMBDA, '{"a":[{"wildcard":"a*"}]}', '{"a":"abc"}', "invalid", "FLT-080"),
    ("A124", EVENTBRIDGE, '{"a":[{"cidr":"10.0.0.0/24"}]}', '{"a":"10.0.0.255"}', "match", "FLT-074"),
    ("A125", EVENTBRIDGE, '{"a":[{"cidr":"10.0.0.0/24"}]}', '{"a":"10.0.1.0"}', "no", "FLT-074"),
    ("A126", LAMBDA, '{"a":[{"cidr":"10.0.0.0/24"}]}', '{"a":"10.0.0.1"}', "invalid", "FLT-080"),
    ("A127", EVENTBRIDGE, '{"a":[{"exactly":"x"}]}', '{"a":"x"}', "match", "FLT-075"),
    ("A128", LAMBDA, '{"a":[{"exactly":"x"}]}', '{"a":"x"}', "invalid", "FLT-080"),
]


def result_of(dialect, pattern, record, model=None):
    try:
        compiled = compile_pattern(pattern, dialect, model)
    except InvalidEventPatternException:
        return "invalid"
    return "match" if compiled.matches_text(record) else "no"


@pytest.mark.rule(
    "FLT-401",
    "FLT-140",
    "FLT-021",
    "FLT-022",
    "FLT-026",
    "FLT-028",
    "FLT-040",
    "FLT-041",
    "FLT-042",
    "FLT-043",
    "FLT-044",
    "FLT-050",
    "FLT-051",
    "FLT-053",
    "FLT-060",
    "FLT-061",
    "FLT-062",
    "FLT-063",
    "FLT-064",
    "FLT-065",
    "FLT-066",
    "FLT-067",
    "FLT-068",
    "FLT-069",
    "FLT-070",
    "FLT-071",
    "FLT-072",
    "FLT-073",
    "FLT-074",
    "FLT-075",
    "FLT-080",
)
@pytest.mark.parametrize(
    ("dialect", "pattern", "record", "result", "rule"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_pattern_accepts_what_the_table_says(dialect, pattern, record, result, rule):
    model = FilterModel(number_equality="literal") if dialect == LITERAL else None
    assert result == result_of(LAMBDA if dialect == LITERAL else dialect, pattern, record, model), rule


WIDER = [case for case in CASES if case[1] == LAMBDA and case[4] != "invalid"]


@pytest.mark.rule("FLT-080", "FLT-401")
@pytest.mark.parametrize("wider", [PIPES, EVENTBRIDGE])
@pytest.mark.parametrize(
    ("pattern", "record", "result", "rule"), [case[2:] for case in WIDER], ids=[case[0] for case in WIDER]
)
def test_what_lambda_understands_the_wider_dialects_read_alike(wider, pattern, record, result, rule):
    assert result == result_of(wider, pattern, record), rule


def test_no_case_is_missing():
    assert [f"A{number:03}" for number in range(1, 129)] == [case[0] for case in CASES]
