"""What a dry run says of teams that give work more than once: never too little, and not absurdly much."""

from support import Waiting

from guildhall.agents import (
    Agent,
    Auto,
    Budget,
    Debate,
    Hierarchy,
    Loop,
    Member,
    Message,
    Parallel,
    Pipeline,
    Router,
)
from guildhall.agents.commission import Built
from guildhall.agents.estimate import Estimate, estimated
from guildhall.agents.patterns.together import Part
from guildhall.agents.prices import Prices
from guildhall.agents.rules import Ruled, Rules


def agents(*names: str) -> list[Agent]:
    return [Agent(name, "Work.", [Waiting(name=f"m-{name}")], tries=1) for name in names]


def of(team: Member, *people: Agent) -> Estimate:
    built = Built(team, "", "", Budget(), agents=people)
    return estimated(built, Message(text="Well?"), Budget(), Prices(), {})


def calls(estimate: Estimate) -> dict[str, int]:
    return {member.name: member.calls for member in estimate.members}


def test_work_in_a_team_within_a_team_is_counted_as_often_as_the_team_is_asked() -> None:
    ann, bob, judge = agents("ann", "bob", "judge")
    inner = Loop("inner", [ann], bob, rounds=3)
    outer = Pipeline("outer", [inner, judge])
    assert calls(of(outer, ann, bob, judge)) == {"ann": 3, "bob": 3, "judge": 1}
    debate = Debate("debate", [Parallel("left", [ann]), bob], judge, rounds=2, challenge=False)
    assert calls(of(debate, ann, bob, judge)) == {"ann": 5, "bob": 5, "judge": 1}


def test_every_call_may_have_the_answers_of_all_others_before_it() -> None:
    ann, bob = agents("ann", "bob")
    alone, together = of(ann, ann), of(Pipeline("two", [ann, bob]), ann, bob)
    assert together.members[0].tokens >= alone.members[0].tokens + bob.max_output


def test_those_who_share_their_turns_are_counted_together() -> None:
    ann, bob, cid, boss = agents("ann", "bob", "cid", "boss")
    team = Hierarchy("team", [ann, bob, cid], boss, most_steps=10, replan=0, revisions=0)
    estimate = of(team, ann, bob, cid, boss)
    each = {member.name: member.tokens for member in estimate.members}
    assert each["ann"] == each["bob"] == each["cid"]
    assert estimate.tokens == each["boss"] + each["ann"]


def test_of_several_ways_only_one_is_taken() -> None:
    ann, bob, judge = agents("ann", "bob", "judge")
    debate, parallel = Debate("debate", [ann, bob], judge, rounds=3), Parallel("parallel", [ann, bob])
    whole = of(
        Auto("auto", [ann, bob], {"debate": debate, "parallel": parallel, "one": ann}), ann, bob, judge
    )
    assert whole.tokens < sum(member.tokens for member in whole.members)
    five = agents("a", "b", "c", "d", "e")
    routed = of(Router("desk", five), *five)  # one of them, and one more where it is handed back
    assert routed.tokens == 2 * routed.members[0].tokens


def test_who_gives_no_typed_answer_may_be_asked_a_second_time_for_a_text() -> None:
    ann, bob = agents("ann", "bob")
    team = Parallel("team", [ann, bob])
    assert calls(of(Ruled(team, Rules(typed=True)), ann, bob)) == {"ann": 2, "bob": 2}
    assert calls(of(team, ann, bob)) == {"ann": 1, "bob": 1}


def test_a_model_is_never_sent_more_than_it_takes() -> None:
    small = Waiting(name="small")
    small.context = 20_000  # type: ignore[attr-defined]  # a model may say it
    ann = Agent("ann", "Work.", [small], tries=1, turns=1, max_output=100)
    many = Agent("bob", "Work.", [Waiting()], tries=1, max_output=500_000)
    estimate = of(Pipeline("two", [ann, many]), ann, many)
    assert estimate.members[0].tokens == 20_000 + 100


def test_a_part_says_nothing_of_others_unless_it_shares_its_turns() -> None:
    ann, bob = agents("ann", "bob")
    assert [Part(ann), Part(bob)] == [*Parallel("team", [ann, bob]).parts]


def usual(estimate: Estimate) -> dict[str, int]:
    return {member.name: member.usual.calls for member in estimate.members}


def test_the_usual_case_has_each_piece_of_work_done_once_with_a_reply_of_usual_length() -> None:
    ann, bob, cid, judge = agents("ann", "bob", "cid", "judge")
    debate = of(Debate("debate", [ann, bob], judge), ann, bob, judge)
    assert usual(debate) == {"ann": 3, "bob": 3, "judge": 1}
    plan = of(Hierarchy("plan", [ann, bob, cid], judge), ann, bob, cid, judge)
    assert usual(plan) == {"ann": 1, "bob": 1, "cid": 1, "judge": 5}
    nested = of(Pipeline("outer", [Loop("inner", [ann], bob, rounds=5), judge]), ann, bob, judge)
    assert usual(nested) == {"ann": 2, "bob": 2, "judge": 1}
    for estimate in (debate, plan, nested):
        assert estimate.usual.calls == sum(usual(estimate).values())
        assert estimate.usual.calls * 600 < estimate.usual.tokens < estimate.usual.calls * 4_000
        assert estimate.usual.calls <= estimate.calls


def test_who_is_not_needed_for_this_task_takes_nothing_in_the_usual_case() -> None:
    cook = Agent("cook", "Work.", [Waiting()], role="Cooks soup.", tries=1)
    tailor = Agent("tailor", "Work.", [Waiting()], role="Sews coats.", tries=1)
    [judge] = agents("judge")
    built = Built(Router("desk", [cook, tailor]), "", "", Budget(), agents=(cook, tailor))
    routed = estimated(built, Message(text="Sew a coat."), Budget(), Prices(), {})
    assert usual(routed) == {"cook": 0, "tailor": 1}
    team = Auto("auto", [cook, tailor], {"debate": Debate("debate", [cook, tailor], judge)})
    built = Built(team, "", "", Budget(), agents=(cook, tailor, judge))
    question = Message(text="Should we sew coats?")
    judged = estimated(built, question, Budget(), Prices(), {})
    assert usual(judged) == {"cook": 3, "tailor": 3, "judge": 1}
    assert judged.way == "debate (a judgement with two sides: should we)"
    alone = estimated(built, Message(text="Sew a coat."), Budget(), Prices(), {})
    assert usual(alone) == {"cook": 0, "tailor": 1, "judge": 0}
    assert alone.way.startswith("one (")
    assert alone.calls == judged.calls


def test_of_many_only_those_whom_the_task_suits_best_are_counted_for_a_debate() -> None:
    people, [judge] = agents("a", "b", "c", "d", "e", "f"), agents("judge")
    team = Auto("auto", people, {"debate": Debate("debate", people, judge)})
    built = Built(team, "", "", Budget(), agents=(*people, judge))
    estimate = estimated(built, Message(text="Should we sew coats?"), Budget(), Prices(), {})
    assert sorted(usual(estimate).values()) == [0, 0, 1, 3, 3, 3, 3]
