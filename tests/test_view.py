"""What every face shows of a run: patches that add up, lanes that stay apart, text that cannot do harm."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guildhall.agents import Amount, Budget
from guildhall.agents import event as ev
from guildhall.view import Item, View, clean, items, money, tame

HOSTILE = (
    "\x00\x07\x1b[31m\x7f\x9b2J\u061c\u200b\u200e\u202e\u2028\u2066\u2069\ufeff\ufff9\ud800\udfff\U000e0041"
    "\r\n\tok é 漢 👩\u200d🔬"
)
NOTHING = Amount()
SPENT = Amount(calls=1, input=100, output=10, usd=0.01)
PATHS = ("team", "team/a", "team/a.2", "team/b", "team/inner", "team/inner/a", "else/where")
TEXTS = st.text(st.sampled_from([*HOSTILE, "[", "<", "/", "."]), max_size=12)


class Script:
    """Tells a view of a run, event by event."""

    def __init__(self, view: View) -> None:
        self.view, self.ids = view, 0

    def __call__(self, kind: Any, path: str = "", who: str = "user", **fields: Any) -> int:
        self.ids += 1
        self.view(kind(id=self.ids, run="r1", path=path, who=who, at=100.0 + self.ids, **fields))
        return self.ids

    def start(self, path: str, who: str = "", task: str = "work", **fields: Any) -> None:
        self(ev.Started, path, who or path.rpartition("/")[2], task=task, **fields)

    def end(self, path: str, outcome: ev.Outcome = "answered", text: str = "answer") -> None:
        self(ev.Finished, path, "", outcome=outcome, text=text)

    def ask(self, path: str, model: str = "p:m", attempt: int = 1) -> int:
        return self(ev.Asked, path, "", model=model, attempt=attempt, reserved=NOTHING)

    def reuse(self, path: str, text: str) -> int:
        about: Any = {"asked": 0, "cached": True, "usage": None, "spent": NOTHING}
        return self(ev.Replied, path, "", text=text, model="p:kept", **about)

    def reply(self, path: str, asked: int, text: str, spent: Amount = SPENT) -> int:
        return self(ev.Replied, path, "", asked=asked, text=text, model="p:m", usage=None, spent=spent)


class Viewer:
    """Someone who looks at a view, and knows nothing of it but the two operations."""

    def __init__(self) -> None:
        self.seq, self.items, self.snapshots = 0, dict[str, Item](), 0

    def look(self, view: View) -> list[Item]:
        sent = json.loads(json.dumps(view.since(self.seq)).encode())
        self.seq = sent["seq"]
        if "items" in sent:
            self.snapshots += 1
            self.items = {item["id"]: item for item in sent["items"]}
        for op, id_, value in sent.get("ops", ()):
            if op == "put":
                self.items.setdefault(id_, {"id": id_}).update(value)
            else:
                self.items[id_]["text"] += value
        return list(self.items.values())


@pytest.fixture
def view() -> View:
    return View(clock=lambda: 160.0)


@pytest.fixture
def script(view: View) -> Script:
    script = Script(view)
    script(ev.RunStarted, team="team", pattern="parallel", task="do it", budget=Budget(usd=0.5))
    script.start("team")
    return script


def one(view: View, what: str, **having: Any) -> Item:
    found = [i for i in view.items() if i["is"] == what and all(i[k] == v for k, v in having.items())]
    assert len(found) == 1, found
    return found[0]


_HAPPENING = st.one_of(
    st.tuples(st.just("start"), st.sampled_from(PATHS), TEXTS),
    st.tuples(st.just("end"), st.sampled_from(PATHS), TEXTS),
    st.tuples(st.just("ask"), st.sampled_from(PATHS), st.integers(1, 3)),
    st.tuples(st.just("text"), st.sampled_from(PATHS), st.integers(1, 3), TEXTS),
    st.tuples(st.just("reply"), st.sampled_from(PATHS), TEXTS),
    st.tuples(st.just("lost"), st.sampled_from(PATHS), TEXTS),
    st.tuples(st.just("cached"), st.sampled_from(PATHS), TEXTS),
    st.tuples(st.just("waits"), st.sampled_from(PATHS), st.sampled_from(["limit", "budget"]), TEXTS),
    st.tuples(st.just("called"), st.sampled_from(PATHS), TEXTS),
    st.tuples(st.just("returned"), st.integers(1, 30), TEXTS),
    st.tuples(st.just("question"), st.sampled_from(PATHS), TEXTS),
    st.tuples(st.just("plan"), st.sampled_from(PATHS), st.lists(st.sampled_from("abc"), max_size=3)),
    st.tuples(st.just("run"), st.booleans()),
    st.tuples(st.just("finish"), TEXTS),
    st.tuples(st.just("look"), st.integers(0, 2)),
)


def tell(script: Script, what: str, *more: Any) -> None:
    match what, *more:
        case "start", path, text:
            script.start(path, task=text, role=text)
        case "end", path, text:
            script.end(path, text=text)
        case "ask", path, attempt:
            script.ask(f"{path}/ask", attempt=attempt)
        case "text", path, attempt, text:
            script.view.text(f"{path}/ask", attempt, text)
        case "reply", path, text:
            script.reply(f"{path}/ask", 1, text)
        case "lost", path, text:
            script(ev.Lost, f"{path}/ask", text, asked=1, error="server", text=text, spent=SPENT)
        case "cached", path, text:
            script.reuse(f"{path}/ask", text)
        case "called", path, text:
            script(ev.Called, path, "", tool=text, arguments={text: text}, why=text)
        case "returned", called, text:
            script(ev.Returned, "team", "", called=called, text=text, failed=False)
        case "question", path, text:
            script(ev.Question, path, text, text=text, options=(text,))
        case _:
            tell_more(script, what, *more)


def tell_more(script: Script, what: str, *more: Any) -> None:
    match what, *more:
        case "plan", path, ids:
            steps = [{"id": id_, "who": "a", "task": "t", "needs": []} for id_ in ids]
            script(ev.Decided, path, "", what="plan", choice="c", data=steps)
        case "waits", path, for_what, text:
            script(ev.Decided, f"{path}/ask", "", what=for_what, choice="waits", reason=text)
        case "run", resumed:
            script(ev.RunStarted, team="team", task="t", budget=Budget(), resumed=resumed)
        case "finish", text:
            script(ev.RunFinished, outcome="answered", text=text, spent=SPENT)


@settings(max_examples=150, deadline=None)
@given(st.lists(_HAPPENING, max_size=40))
def test_patches_add_up_to_the_snapshot_whenever_viewers_look(happenings: list[tuple[Any, ...]]) -> None:
    view, viewers = View(clock=lambda: 1.0), [Viewer() for _ in range(3)]
    script = Script(view)
    for what, *more in happenings:
        if what == "look":
            viewers[more[0]].look(view)
        else:
            tell(script, what, *more)
    now = json.loads(json.dumps(view.items()))
    assert all(viewer.look(view) == now for viewer in viewers)
    assert all(viewer.snapshots == 0 for viewer in viewers)
    assert not [c for c in json.dumps(now, ensure_ascii=False) if c in HOSTILE and is_hidden(c)]


def is_hidden(character: str) -> bool:
    """Whether the character drives a terminal, turns text around, or is no character at all."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in "\n\t\u200d"


def test_a_viewer_that_missed_forgotten_patches_gets_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "KEPT", 3)
    view, slow, quick = View(), Viewer(), Viewer()
    script = Script(view)
    slow.look(view)
    for number in range(5):
        script.start(f"m{number}")
        quick.look(view)
    assert slow.look(view) == quick.look(view) == view.items()
    assert (slow.snapshots, quick.snapshots) == (1, 0)


@pytest.mark.parametrize("seq", [-1, -7, 99])
def test_a_number_that_was_never_given_out_gets_a_snapshot(view: View, script: Script, seq: int) -> None:
    assert view.since(seq).get("items") == view.items()


def test_a_viewer_that_is_up_to_date_gets_an_empty_patch(view: View, script: Script) -> None:
    seen = view.since(-1)
    told = {"v": 1, "run": "r1", "at": 160.0, "seq": seen["seq"], "mark": seen["mark"]}
    assert view.since(seen["seq"]) == told | {"after": seen["seq"], "of": seen["mark"], "ops": []}


def test_a_retried_stream_takes_back_what_it_showed(view: View, script: Script) -> None:
    script.start("team/a")
    script.ask("team/a/ask")
    view.text("team/a/ask", 1, "half an ans")
    viewer = Viewer()
    viewer.look(view)
    script(ev.Lost, "team/a/ask", "a", asked=3, error="connection", text="hung up", spent=NOTHING)
    assert one(view, "reply")["status"] == "lost"
    asked = script.ask("team/a/ask", attempt=2)
    view.text("team/a/ask", 1, "late words of the first stream")
    view.text("team/a/ask", 2, "a whole")
    reply = one(view, "reply")
    assert (reply["text"], reply["attempt"], reply["error"]) == ("a whole", 2, "connection")
    assert viewer.look(view) == view.items()
    script.reply("team/a/ask", asked, "a whole answer")
    view.text("team/a/ask", 2, " and more")
    assert one(view, "reply")["text"] == "a whole answer"


def test_members_of_one_name_in_different_teams_have_lanes_of_their_own(view: View, script: Script) -> None:
    for team in ("team/north", "team/south"):
        script.start(team)
        script.start(f"{team}/analyst", "analyst")
        asked = script.ask(f"{team}/analyst/ask")
        script.reply(f"{team}/analyst/ask", asked, f"answer of {team}")
    lanes = [i for i in view.items() if i["is"] == "member" and i["name"] == "analyst"]
    replies = [i for i in view.items() if i["is"] == "reply"]
    assert len({lane["id"] for lane in lanes}) == 2
    assert {reply["lane"]: reply["text"] for reply in replies} == {
        lane["id"]: f"answer of team/{lane['above'].rpartition('/')[2]}" for lane in lanes
    }
    assert [lane["calls"] for lane in lanes] == [1, 1]


def test_a_member_that_runs_again_keeps_its_lane_and_works_until_its_last_span_ends(
    view: View, script: Script
) -> None:
    script.start("team/draft", "writer")
    script.start("team/draft.2", "writer")
    script.end("team/draft", text="first")
    lane = one(view, "member", name="writer")
    assert lane["status"] == "working"
    script.end("team/draft.2", text="second")
    assert one(view, "member", name="writer") == {**lane, "status": "done", "doing": "", "ended": 106.0}


def test_the_end_of_a_span_that_nobody_saw_begin_ends_no_other(view: View, script: Script) -> None:
    script.end("team/unseen")
    assert one(view, "member", name="team")["status"] == "working"


def test_what_a_member_answers_without_a_model_is_shown_as_its_reply(view: View, script: Script) -> None:
    script.start("team/human")
    script.end("team/human", text="I agree")
    reply = one(view, "reply")
    assert (reply["text"], reply["lane"]) == ("I agree", one(view, "member", name="human")["id"])


@pytest.mark.parametrize(
    ("spent", "said"),
    [
        (Amount(calls=1, usd=0.0123), "$0.0123 of $0.50"),
        (Amount(calls=1, unpriced=1), "cost unknown"),
        (Amount(calls=2, usd=0.02, unpriced=1), "over $0.0200"),
        (Amount(calls=1), "$0 of $0.50"),
    ],
)
def test_a_cost_is_never_said_to_be_less_than_it_may_be(
    view: View, script: Script, spent: Amount, said: str
) -> None:
    script.start("team/a")
    script.reply("team/a/ask", script.ask("team/a/ask"), "text", spent)
    assert f" · {said}" in view.summary()
    lane = one(view, "member", name="a")
    assert money(lane["usd"], lane["unpriced"]) == said.removesuffix(" of $0.50")


def test_the_summary_says_who_does_what_in_one_line(view: View, script: Script) -> None:
    for name in ("a", "b", "c", "d", "e\n\x1b[2J"):
        script.start(f"team/{name}", name)
    script.ask("team/a/ask")
    script(ev.Called, "team/b/tool:read_file", "b", tool="read_file", arguments={})
    script.end("team/c", "failed", "broke")
    script(ev.Question, "team/d", "d", text="May I?", options=("yes", "no"))
    assert view.summary() == (
        "team: working · a (writing), b (read_file), d (waiting for you) and 1 more · d asks you · "
        "0 of 5 done, 1 failed · 0 calls · $0 of $0.50 · 0:59"
    )


def test_a_plan_shows_its_steps_as_they_are_worked_on(view: View, script: Script) -> None:
    def step(id_: str, *needs: str) -> dict[str, Any]:
        return {"id": id_, "who": "a", "task": f"do {id_}", "needs": needs}

    script(
        ev.Decided, "team", "team", what="plan", choice="3", data=[step("x"), step("y", "x"), step("z", "y")]
    )
    script.start("team/x", "a")
    script.end("team/x")
    script.start("team/y", "a")
    script.end("team/y", "failed", "broke")
    script(ev.Decided, "team", "team", what="plan", choice="2", data=[step("y2"), step("y")])
    steps = {i["name"]: i["status"] for i in view.items() if i["is"] == "step"}
    assert steps == {"x": "done", "y": "waiting", "z": "skipped", "y2": "waiting"}
    script.start("team/y.2", "a")
    assert one(view, "step", name="y")["status"] == "working"


@pytest.mark.parametrize(
    "data", [None, "steps", [1, None, {"who": "a"}], {"id": 1}, [{"id": {}, "needs": 7}]]
)
def test_the_data_of_a_decision_may_be_anything(view: View, script: Script, data: Any) -> None:
    script(ev.Decided, "team", "team", what="plan", choice="?", data=data)
    assert Viewer().look(view) == json.loads(json.dumps(view.items()))


def test_texts_items_and_data_are_bounded(
    view: View, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.start("team/a")
    asked = script.ask("team/a/ask")
    for _ in range(3):
        view.text("team/a/ask", 1, "x" * (items.LONGEST // 2))
    reply = one(view, "reply")
    assert (len(reply["text"]), reply["cut"]) == (items.LONGEST, items.LONGEST // 2)
    script.reply("team/a/ask", asked, "y" * (items.LONGEST + 5))
    assert one(view, "reply")["cut"] == 5

    monkeypatch.setattr(items, "ROOM", items.LONGEST + 100)
    script.start("team/b")
    script.end("team/b", text="z" * 1_000)
    assert len(one(view, "reply", lane=one(view, "member", name="b")["id"])["text"]) == 100
    script(ev.RunFinished, outcome="answered", text="the answer" * 100, spent=SPENT)
    assert len(view.items()[0]["text"]) == 1_000

    monkeypatch.setattr("guildhall.view.reduce.MOST", len(view.items()) + 1)
    for name in ("c", "d", "e"):
        script.start(f"team/{name}")
    assert view.items()[0]["hidden"] == 2
    deep: Any = "x" * 9_000
    for _ in range(50):
        deep = [deep] * 3
    assert len(json.dumps(tame(deep))) < 1_000_000


def test_a_resumed_run_goes_on_in_the_same_lanes(view: View, script: Script) -> None:
    script.start("team/a")
    script.ask("team/a/ask")
    view.text("team/a/ask", 1, "half")
    script(ev.RunStarted, team="team", pattern="parallel", task="do it", budget=Budget(), resumed=True)
    assert one(view, "reply")["error"] == "interrupted"
    assert one(view, "member", name="a")["status"] == "waiting"
    script.start("team")
    script.start("team/a")
    script.reply("team/a/ask", script.ask("team/a/ask"), "whole")
    script.end("team/a", text="whole")
    assert (one(view, "reply")["text"], one(view, "reply")["error"]) == ("whole", "")
    assert one(view, "member", name="a")["status"] == "done"


def test_the_answer_comes_with_its_sources_and_notices_and_closes_open_questions(
    view: View, script: Script
) -> None:
    script(ev.Question, "team", "team", text="May I?")
    cited = (ev.Source(label="a.md:3", kind="document", text=HOSTILE),)
    script(ev.RunFinished, outcome="answered", text="so", spent=SPENT, cited=cited, notices=("mind this",))
    run = view.items()[0]
    assert (run["status"], run["text"], run["notices"]) == ("done", "so", ["mind this"])
    assert run["cited"] == [{"label": "a.md:3", "kind": "document", "text": clean(HOSTILE)}]
    assert one(view, "question")["answer"] == ""


def test_a_cached_reply_takes_the_place_of_what_was_lost_is_marked_and_costs_nothing(
    view: View, script: Script
) -> None:
    script.start("team/a")
    asked = script.ask("team/a/ask")
    view.text("team/a/ask", 1, "half")
    script(ev.Lost, "team/a/ask", "a", asked=asked, error="budget", text="no room", spent=NOTHING)
    script.reuse("team/a/ask", "said before")
    script.end("team/a", text="said before")
    reply, lane, run = one(view, "reply"), one(view, "member", name="a"), view.items()[0]
    assert (reply["text"], reply["status"], reply["error"]) == ("said before", "done", "")
    assert reply["cached"]
    assert (lane["status"], lane["model"], lane["reused"]) == ("done", "p:kept", 1)
    assert (run["reused"], run["calls"], run["usd"]) == (1, 0, 0)
    assert "1 reply from the cache" in view.summary()


@pytest.mark.parametrize(
    ("what", "reason", "doing"),
    [
        ("limit", "p:m: 8 of 8 calls are in flight", "waits: 8 of 8 calls are in flight"),
        ("limit", "no room", "waits: no room"),
        ("budget", "others hold it: all of it", "waits: others hold it: all of it"),
    ],
)
def test_a_lane_says_for_what_its_member_waits_until_it_asks(
    view: View, script: Script, what: str, reason: str, doing: str
) -> None:
    script.start("team/a")
    script(ev.Decided, "team/a/ask", "", what=what, choice="waits", reason=reason)
    assert one(view, "member", name="a")["doing"] == doing
    assert f"a ({doing})" in view.summary()
    script.ask("team/a/ask")
    assert one(view, "member", name="a")["doing"] == "writing"
