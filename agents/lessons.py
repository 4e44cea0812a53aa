"""What can be learned of a run, by rule: what was wrong with whose work, what mended it, and what failed."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import event as ev
from .course import Course, Entry, Use, gist
from .remembering import LESSON

SHOWN, ARGUMENTS = 240, 120
"""Characters of an answer, and of the arguments of a tool, that are told."""
OUTAGE = 7.0
"""Days for which it counts that a model had failed."""
Own = Callable[[str], str]
"""What of a text does not come out of memory."""
Lost = Callable[[str], bool]
"""Whether somebody's side did not hold where the run was judged."""


def lessons(course: Course, task: str, own: Own, lost: Lost) -> list[Entry]:
    """All that can be learned. What is about one member's work is for that member alone."""
    about = gist(task, 160)
    found = [*_of_checks(course, own), *_of_scores(course, own), *_of_verdicts(course, own, lost)]
    found += _of_challenges(course, own)
    made = [
        Entry(
            text=f"On the task “{about}”: {text}",
            tag=LESSON,
            kind="procedure",
            subject=subject,
            who=who,
            model=course.model_of(who),
            visibility="private" if who else "team",
            event=event,
            rests_on=text,
        )
        for who, subject, text, event in found
        if course.model_of(who) != "extractive"
    ]
    return [*made, *_of_tools(course), *_of_models(course)]


_Found = Iterator[tuple[str, str, str, int]]
"""Whose work, what about, what can be learned, and at which event."""


def _of_checks(course: Course, own: Own) -> _Found:
    """What did not pass, and whether it did in the end."""
    made: defaultdict[tuple[str, str, str], list[ev.Decided]] = defaultdict(list)
    for one in course.of("check"):
        made[one.path, str(one.data.get("check", "")), str(one.data.get("of", ""))].append(one)
    for (path, check, of), outcomes in made.items():
        wrong = next((one for one in outcomes if one.choice == "not passed"), None)
        if wrong is None or not (reason := own(wrong.reason)):
            continue
        who = course.author(of, wrong.evidence, path)
        text = f"{_whose(who, of)} answer did not pass the check {check}: {_ended(reason)}"
        last = outcomes[-1]
        if last.choice == "passed":
            mended = own(gist(course.answer_of(last.evidence), SHOWN))
            text += " It passed once that was put right" + (f": {mended}" if mended else ".")
        elif last is not wrong and last.choice == "not passed":
            text += (
                f" What was made of it then did not pass either: {_ended(own(last.reason) or 'as before')}"
            )
        yield who, f"{check} of {who or of}", text, wrong.id


def _of_scores(course: Course, own: Own) -> _Found:
    """Whose first version was not good enough for a critic, and how far it came."""
    scored: defaultdict[tuple[str, str], list[ev.Decided]] = defaultdict(list)
    for one in course.of("score"):
        if one.data.get("of") and one.data.get("score") is not None:
            scored[one.path, str(one.data["of"])].append(one)
    for (path, of), versions in scored.items():
        first, bar, by = versions[0], float(versions[0].data["bar"]), str(versions[0].data.get("by", ""))
        if first.data["score"] >= bar or _is_mechanical(course, by) or not (reason := own(first.reason)):
            continue
        best = max(float(one.data["score"]) for one in versions)
        came = "a later version reached" if best >= bar else "the best version reached"
        who = course.author(of, (), path)
        text = f"{by} scored the first version of {_whose(who, of)} answer {first.choice}, and {bar:.2f} was "
        text += f"needed: {_ended(reason)}" + (f" With that, {came} {best:.2f}." if len(versions) > 1 else "")
        yield who, f"score of {who or of}", text, first.id


def _of_verdicts(course: Course, own: Own, lost: Lost) -> _Found:
    """Whose proposal did not hold before a judge."""
    for one in course.of("verdict"):
        authors, by = one.data.get("authors"), str(one.data.get("by", ""))
        if not by or not isinstance(authors, Mapping) or _is_mechanical(course, by):
            continue
        winner = authors.get(one.data.get("winner", ""), "")
        if not (reason := own(_named(str(one.data.get("reason", one.reason)), authors))):
            continue
        for who in authors.values():
            if who == winner or not lost(who):
                continue
            instead = f"decided for {winner}'s proposal" if winner else "made the answer of several proposals"
            text = f"{by} {instead}, not for {who}'s alone: {_ended(reason)}"
            yield who, f"verdict on {who}", text, one.id


def _of_challenges(course: Course, own: Own) -> _Found:
    for one in course.of("challenge"):
        of, by = str(one.data.get("of", "")), str(one.data.get("by", ""))
        if one.choice == "refuted" and of in course.members and (reason := own(one.reason)):
            yield of, f"challenge of {of}", f"{by} refuted {of}'s answer: {_ended(reason)}", one.id


def _of_tools(course: Course) -> Iterator[Entry]:
    """Of each tool with which somebody failed: how, and what worked then."""
    used: defaultdict[tuple[str, str], list[Use]] = defaultdict(list)
    for use in course.uses:
        used[use.who, use.tool].append(use)
    for (who, tool), uses in used.items():
        failures = [at for at, use in enumerate(uses) if use.failed]
        if not failures:
            continue
        last = uses[failures[-1]]
        worked = next((use for use in uses[failures[-1] + 1 :] if not use.failed), None)
        times = f"{len(failures)} times, last" if len(failures) > 1 else ""
        why = _ended(gist(last.text, SHOWN))
        text = " ".join(f"The tool {tool} failed {times} with {_shown(last.arguments)}: {why}".split())
        text += f" It worked with {_shown(worked.arguments)}." if worked else ""
        yield Entry(
            text=text, tag=LESSON, kind="procedure", subject=f"tool {tool} of {who}"[:200], who=who,
            model=course.model_of(who), visibility="private", event=last.event, rests_on=text,
        )  # fmt: skip


def _of_models(course: Course) -> Iterator[Entry]:
    """Which models have failed; that passes, so it is not kept for long."""
    failed = {loss.model: loss for loss in course.losses if loss.model}
    for model, loss in failed.items():
        times = sum(one.model == model for one in course.losses)
        how = f"{times} times, last with" if times > 1 else "with"
        yield Entry(
            text=f"The model {model} failed {how} {loss.error}: {gist(loss.text, SHOWN)}",
            tag=LESSON, kind="procedure", subject=f"model {model}"[:200], event=loss.event, days=OUTAGE,
        )  # fmt: skip


def _whose(who: str, of: str) -> str:
    return f"{who or of}'s"


def _is_mechanical(course: Course, by: str) -> bool:
    """Whether a judge is no LLM, of whose measures nothing can be learned."""
    return course.model_of(by) == "extractive"


def _named(reason: str, authors: Mapping[str, str]) -> str:
    """The reason with the names of the authors beside the labels of their proposals."""

    def named(found: re.Match[str]) -> str:
        name = authors.get(f"proposal {found[1]}")
        return f"{found[0]} ({name})" if name else found[0]

    return re.sub(r"\b[Pp]roposal ([A-Z])\b", named, reason)


def _shown(arguments: Mapping[str, Any]) -> str:
    return gist(json.dumps(arguments, ensure_ascii=False, default=str), ARGUMENTS)


def _ended(text: str) -> str:
    """The text in one line, as a sentence."""
    text = gist(text, 600)
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def without(entries: Sequence[Entry], who: Sequence[str]) -> list[Entry]:
    """The lessons but for those of these members about their answers, of whom there are better ones."""
    return [
        one for one in entries if one.visibility != "private" or one.who not in who or "tool " in one.subject
    ]
