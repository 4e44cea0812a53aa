"""Any team is drawn as mermaid, and nothing that somebody named can become part of its language."""

import re
from collections.abc import Sequence

import pytest

from guildhall.agents import Message, Parallel, Pipeline, Run
from guildhall.agents.drawing import LONGEST, drawn, label
from guildhall.agents.kinds import Score
from guildhall.agents.patterns import Graph, Repeat, Step
from guildhall.agents.patterns.checks import Acceptance
from guildhall.agents.testing import StubMember

SAFE = re.compile(r'"(?:[^\W_]|[ ,]|[-._/](?=[^\W_])|#\d+;|<br/>)*"')
"""A label in which nothing is left that mermaid, markdown or HTML read."""
NODE = r"n\d+(?:\[LABEL\]|\(LABEL\)|\{\{LABEL\}\})"
LINE = re.compile(rf"    (?:{NODE}|n\d+(?: & n\d+)* (?:-->|-\.->|-\.-)(?:\|LABEL\|)? (?:n\d+|{NODE}))")
"""All that a line of a drawing can be, its labels apart."""


def people(*names: str) -> list[StubMember]:
    return [StubMember(name) for name in names]


def lines(text: str) -> list[str]:
    """The lines of a drawing, which is well-formed, with its labels unescaped."""
    first, *rest = text.split("\n")
    assert first == "flowchart TD"
    for line in rest:
        labels = re.findall(r'"[^"]*"', line)
        assert all(SAFE.fullmatch(one) for one in labels), line
        assert LINE.fullmatch(re.sub(r'"[^"]*"', "LABEL", line)), line
    return [re.sub(r"#(\d+);", lambda code: chr(int(code[1])), line.strip()) for line in rest]


def test_a_team_is_drawn_with_who_is_there_for_what() -> None:
    team = Parallel("panel", people("ann", "fact-checker"), StubMember("chair"))
    assert lines(drawn(team, "parallel")) == [
        'n1["panel<br/>parallel"]',
        'n1 --> n2("ann")',
        'n1 --> n3("fact-checker")',
        'n1 -->|"synthesizer"| n4("chair")',
    ]


def test_a_pipeline_is_drawn_in_its_order_with_what_a_stage_sees() -> None:
    check = Acceptance(StubMember("critic"), "It is short.")
    team = Pipeline("line", people("a", "b", "c"), sees={"c": ["a", "b"]}, checks={"a": check})
    assert lines(drawn(team)) == [
        'n1["line<br/>pipeline"]',
        'n1 --> n2("a")',
        'n2 --> n3("b")',
        'n2 & n3 --> n4("c")',
        'n2 -.->|"checked by"| n5("critic")',
    ]


def test_a_graph_is_drawn_by_its_steps_with_needs_conditions_and_ways_back() -> None:
    steps = [
        Step("draft", "ann", "Draft."),
        Step("rate", "bob", "Rate.", ("draft",), output=Score, repeat=Repeat("draft", "rate.score < 0.8", 4)),
        Step("sort", "bob", "Sort.", ("rate",), choices=("yes", "no")),
        Step("cut", "ann", "Cut.", ("rate", "sort"), when='sort.choice == "no"'),
    ]
    assert lines(drawn(Graph("plan", people("ann", "bob"), steps, StubMember("chair")), "graph")) == [
        'n1["plan<br/>graph"]',
        'n1 --> n2["draft<br/>ann"]',
        'n2 --> n3["rate<br/>bob<br/>gives Score"]',
        'n3 --> n4["sort<br/>bob<br/>gives one of yes, no"]',
        'n3 & n4 --> n5{{"cut<br/>ann<br/>if sort.choice == "no""}}',
        'n3 -.->|"again while rate.score < 0.8<br/>at most 4 times"| n2',
        'n5 -->|"synthesizer"| n6("chair")',
    ]


def test_teams_in_teams_are_drawn_below_them_wherever_they_stand() -> None:
    pair = Parallel("pair", people("x", "y"))
    steps = [Step("one", "ann", "x"), Step("two", "pair", "y", ("one",))]
    graph = Graph("plan", [StubMember("ann"), pair], steps)
    said = lines(drawn(Pipeline("line", [graph, StubMember("end")])))
    assert said == [
        'n1["line<br/>pipeline"]',
        'n1 --> n2["plan<br/>graph"]',
        'n2 --> n4["one<br/>ann"]',
        'n4 --> n5["two<br/>pair"]',
        'n5 -.- n6["pair<br/>parallel"]',
        'n6 --> n7("x")',
        'n6 --> n8("y")',
        'n2 --> n3("end")',
    ]


def test_a_pattern_of_ones_own_is_drawn_too_and_one_that_holds_itself_ends() -> None:
    class Round(StubMember):
        @property
        def members(self) -> Sequence[StubMember]:
            return [StubMember("guest"), self]

        async def run(self, message: Message, run: Run) -> Message:
            return run.answer(message, "")

    said = lines(drawn(Round("table")))
    assert said[:2] == ['n1["table<br/>round"]', 'n1 --> n2("guest")']
    assert len(said) < 5
    assert lines(drawn(StubMember("alone"))) == ['n1["alone"]']


@pytest.mark.parametrize(
    "name",
    [
        'x"]; click n1 href "javascript:alert(1)"', "end", "1. a list", "- a list", "`**bold**`", "$$x^2$$",
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "%%{init: {'securityLevel': 'loose'}}%%",
        "a --> b", "]]}})", "#quot;", "&lt;b&gt;", "[link](http://a.example)", "|x|", "@{ shape: x }",
        "fa:fa-x", "a\nb\r\nc", "\u202eevil\u2066", "\x1b[2Jowned\x07", "tag\U000e0041", "_x_", "a__b", "-x-",
        "...", "", "half \ud800",
    ],
)  # fmt: skip
def test_whatever_somebody_is_called_it_stays_a_name(name: str) -> None:
    plain = people("plain")
    for text in (
        drawn(Parallel(name, people(name), StubMember(name)), name),
        drawn(Pipeline("line", [Parallel(name, plain)])),
    ):
        lines(text)
        assert text.isascii() or all(char.isprintable() or char == "\n" for char in text)
        text.encode()


def test_a_label_says_what_it_was_made_of_and_is_bounded() -> None:
    assert label("a < b", "", 'say "no"') == '"a #60; b<br/>say #34;no#34;"'
    assert label("v1.2 fact-checker") == '"v1.2 fact-checker"'
    assert len(re.sub(r"#\d+;", "x", label("<" * 500))) == LONGEST + 2
