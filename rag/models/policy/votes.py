"""One value out of the values of several samples, by vote; how many agree is the confidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from rag.models.policy.fields import Ballot
from rag.models.policy.grounds import Grounds, Group, Places, alike, groups
from rag.models.schema import problems
from rag.models.tasks import (
    AnswerTask,
    Argument,
    Classification,
    ClassifyTask,
    Contradiction,
    Evidence,
    Extraction,
    ExtractTask,
    Queries,
    Reasoning,
    ReasonTask,
    RewriteTask,
    Statement,
    SummarizeTask,
    Summary,
    Task,
    Value,
    Verdict,
    Verification,
    VerifyTask,
)

Item = TypeVar("Item")
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted(Generic[Value]):
    """What was chosen. ``best`` is the sample that it is from, or most of it."""

    value: Value
    confidence: float
    best: int
    notes: tuple[str, ...] = ()


def vote(task: Task[Value], values: Sequence[Value], asked: int) -> Voted[Value]:
    """Choose between samples of a task.

    Args:
        task: What was asked.
        values: What the samples say, at least one; the earlier decides between equals.
        asked: How many samples were asked for; those that failed agree with none.

    Returns:
        The value, with the share of the samples asked for that agree.
    """
    voted: Voted[Value] = _BY_TASK[type(task)](task, values, asked)
    return replace(voted, confidence=round(voted.confidence, 4))


def _answer(
    task: AnswerTask, values: Sequence[tuple[Statement, ...]], asked: int
) -> Voted[tuple[Statement, ...]]:
    """The answer whose places most others rest on; none, when most samples have none."""
    grounds = Grounds(task.passages)
    places = list(map(grounds.of_statements, values))
    found = [number for number, here in enumerate(places) if here]
    with_me = {
        one: sum(alike(places[one], places[other]) for other in found if other != one) + 1
        for one in found
    }
    best = max(found, key=lambda one: with_me[one], default=0)
    agree = with_me.get(best, 0)
    silent = len(values) - len(found)
    notes: tuple[str, ...] = ()
    if silent and found:
        notes = (f"{silent} of {asked} samples found no answer.",)
    if silent > len(found):
        nowhere = next(number for number, here in enumerate(places) if not here)
        return Voted(value=(), confidence=agree / asked, best=nowhere, notes=notes)
    if agree < len(found):
        said = f"{len(found) - agree} of {asked} samples rest their answer on other places."
        notes = (*notes, said)
    value = values[best] if found else ()
    return Voted(value=value, confidence=agree / asked, best=best, notes=notes)


def _extract(task: ExtractTask, values: Sequence[Extraction], asked: int) -> Voted[Extraction]:
    """Each field as most samples have it."""
    ballot = Ballot(values, asked)
    merged = ballot.merged()
    best = max(range(len(values)), key=lambda number: ballot.sided.get(number, 0))
    split = [f"{at or '/'} ({n})" for at, n in ballot.agreed.items() if n < len(values)]
    notes: tuple[str, ...] = ()
    if split:
        named = ", ".join(split[:_MOST_NAMED]) + (", …" if len(split) > _MOST_NAMED else "")
        notes = (f"Of {asked} samples not all agree on: {named}.",)
    fewest = min(len(problems(one.value, task.schema)) for one in values)
    if len(problems(merged.value, task.schema)) > fewest:
        # Each field is right by the schema, and all together are not.
        merged = values[best]
        notes = (*notes, "What most samples say does not fit together; this is one of them.")
    return Voted(value=merged, confidence=ballot.agreement, best=best, notes=notes)


def _classify(
    task: ClassifyTask, values: Sequence[Classification], asked: int
) -> Voted[Classification]:
    """The label that most samples choose; the scores are the shares of the votes."""
    votes = Counter(one.primary for one in values)
    names = dict.fromkeys([*(label.name for label in task.labels), *votes])
    mean = {name: sum(one.scores.get(name, 0.0) for one in values) / len(values) for name in names}
    order = sorted(names, key=lambda name: (-votes[name], -mean[name]))
    primary, *others = order
    secondary = next((name for name in others if votes[name] or mean[name]), None)
    mine = [number for number, one in enumerate(values) if one.primary == primary]
    best = max(mine, key=lambda number: values[number].scores.get(primary, 0.0))
    value = replace(
        values[best],
        secondary=secondary,
        scores={name: votes[name] / len(values) for name in names},
    )
    return Voted(
        value=value,
        confidence=votes[primary] / asked,
        best=best,
        notes=_tally(votes, asked, "choose"),
    )


def _verify(task: VerifyTask, values: Sequence[Verification], asked: int) -> Voted[Verification]:
    """The verdict of most samples, with all that they rest it on; of a tie, nothing is found."""
    votes = Counter(one.verdict for one in values)
    (first, most), *others = votes.most_common()
    verdict = Verdict.NOT_FOUND if others and others[0][1] == most else first
    mine = [number for number, one in enumerate(values) if one.verdict is verdict]
    evidence: dict[tuple[int, str], Evidence] = {}
    for number in mine:
        for one in values[number].evidence:
            evidence.setdefault((one.passage, one.quote), one)
    return Voted(
        value=Verification(verdict=verdict, evidence=tuple(evidence.values())),
        confidence=votes[verdict] / asked,
        best=mine[0] if mine else 0,
        notes=_tally(votes, asked, "say"),
    )


def _summarize(task: SummarizeTask, values: Sequence[Summary], asked: int) -> Voted[Summary]:
    """The findings and conclusions that most samples have; the topic from the nearest sample."""
    place = Grounds(task.passages).of_statement
    findings = groups([one.key_findings for one in values], place)
    conclusions = groups([one.conclusions for one in values], place)
    chosen = _Chosen(values, asked, [*findings, *conclusions])
    if chosen.is_nothing:
        return chosen.voted(values[chosen.best])
    value = Summary(
        main_topic=values[chosen.best].main_topic,
        key_findings=chosen.of(findings)[: task.findings],
        conclusions=chosen.of(conclusions),
    )
    return chosen.voted(value)


def _reason(task: ReasonTask, values: Sequence[Reasoning], asked: int) -> Voted[Reasoning]:
    """What most samples see; what is said of the whole is from the nearest sample."""
    grounds = Grounds(task.passages)
    place = grounds.of_statement

    def of_argument(one: Argument) -> Places:
        return place(one.claim)

    def of_contradiction(one: Contradiction) -> Places:
        return place(one.one) | place(one.other)

    arguments = groups([one.arguments for one in values], of_argument)
    gaps = groups([one.gaps for one in values], place)
    contradictions = groups([one.contradictions for one in values], of_contradiction)
    chosen = _Chosen(values, asked, [*arguments, *gaps, *contradictions])
    if chosen.is_nothing:
        return chosen.voted(values[chosen.best])
    value = replace(
        values[chosen.best],
        arguments=chosen.of(arguments),
        gaps=chosen.of(gaps),
        contradictions=chosen.of(contradictions),
    )
    return chosen.voted(value)


def _rewrite(task: RewriteTask, values: Sequence[Queries], asked: int) -> Voted[Queries]:
    """The question as most samples understand it, with what the first of them adds to it."""
    votes = Counter(one.question.casefold().rstrip(" ?") for one in values)
    question, agree = votes.most_common(1)[0]
    best = next(
        number
        for number, one in enumerate(values)
        if one.question.casefold().rstrip(" ?") == question
    )
    return Voted(value=values[best], confidence=agree / asked, best=best)


class _Chosen(Generic[Value]):
    """The items that more than half of the samples have, and the sample that has most of them."""

    def __init__(self, values: Sequence[Value], asked: int, found: Sequence[Group[Any]]) -> None:
        self._asked = asked
        self._came = len(values)
        self._found = found
        self._most = [group for group in found if 2 * len(group.members) > asked]
        self.is_nothing = bool(found) and not self._most
        shared = Counter(number for group in self._most or found for number in group.members)
        self.best = max(range(len(values)), key=lambda number: shared[number])

    def of(self, found: Sequence[Group[Item]]) -> tuple[Item, ...]:
        """The items kept of a kind, each as the nearest sample has it, if it does."""
        return tuple(
            group.members.get(self.best, next(iter(group.members.values())))
            for group in found
            if group in self._most
        )

    def voted(self, value: Value) -> Voted[Value]:
        """A value made of these items, with the mean share of samples that have them."""
        counted = self._most or [one for one in self._found if self.best in one.members]
        shares = [len(group.members) / self._asked for group in counted]
        confidence = sum(shares) / len(shares) if shares else self._came / self._asked
        left = len(self._found) - len(self._most)
        notes: tuple[str, ...] = ()
        if self.is_nothing:
            notes = (f"The {self._asked} samples have nothing in common; this is one of them.",)
        elif left:
            notes = (f"Points left out that half of {self._asked} samples lack: {left}.",)
        return Voted(value=value, confidence=confidence, best=self.best, notes=notes)


def _tally(votes: Counter[Any], asked: int, say: str) -> tuple[str, ...]:
    """How the votes fell, when they differ."""
    if len(votes) == 1:
        return ()
    told = ", ".join(f"{count} {say} {name}" for name, count in votes.most_common())
    return (f"Of {asked} samples {told}.",)


_BY_TASK: Mapping[type[Task[Any]], Callable[[Any, Sequence[Any], int], Voted[Any]]] = {
    AnswerTask: _answer,
    ExtractTask: _extract,
    ClassifyTask: _classify,
    VerifyTask: _verify,
    SummarizeTask: _summarize,
    ReasonTask: _reason,
    RewriteTask: _rewrite,
}
