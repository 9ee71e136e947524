"""Cards as example patients get them: for each card and each rule the first example that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from cds_service.advice.model import Answer, Assessment
from cds_service.advice.orders import card_of
from cds_service.advice.together import ranked
from cds_service.advice.unevaluated import unevaluated
from cds_service.contract import ALSO, FOOTER, HEADER, REPEATED, UNEVALUATED, most_cards
from cds_service.knowledge import Knowledge
from cds_service.knowledge.model import Site
from cds_service.knowledge.sites import effective
from cds_service.program import compile_program
from cds_service.requirements import unmet
from cds_service.service import Service
from cds_service.tools.examples import Example, answered, other_sites

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card on an example patient, the `place`-th of `of`. `note` says what was done to show it, where something was.

    `part` marks words that stand on other cards: they have a detail only. A `crowded` card names others for which there
    was no room.
    """

    card: Json
    decision: str
    rule: str
    patient: str
    story: str
    hook: str
    at: datetime
    place: int
    of: int
    note: str = ""
    part: bool = False
    crowded: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What example patients show: by the id of a card, and by that of a rule. Empty where there are no examples."""

    cards: Mapping[str, ShownCard] = field(default_factory=dict)
    rules: Mapping[str, ShownCard] = field(default_factory=dict)


NOTHING = Shown()


def shown(knowledge: Knowledge, examples: Path | None) -> Shown:
    """Ask about every example patient at this site; what none of them shows here, at the site where one does. Raises
    CdsError.

    Knowledge that lacks what every service needs is read by reviewers all the same: nobody is asked about then.
    """
    if examples is None or any(unmet(knowledge)):
        return NOTHING
    service = _service(knowledge)
    here = shown_by(service, answered(service, examples))
    for name, path in other_sites(examples).items():
        there = _service(_at(knowledge, path))
        note = f"At a site that is set otherwise ({there.knowledge.site.title})"
        found = shown_by(there, answered(there, examples, name))
        here = Shown(_noted(found.cards, note) | dict(here.cards), _noted(found.rules, note) | dict(here.rules))
    return here


def _service(knowledge: Knowledge) -> Service:
    service = Service(compile_program(knowledge))
    service.warm()
    return service


def _at(knowledge: Knowledge, path: Path) -> Knowledge:
    """The same knowledge at this site, but for what a file says of another one."""
    said = Site.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    site = knowledge.site.model_copy(update={name: getattr(said, name) for name in said.model_fields_set})
    policies, overridden = effective(knowledge.shipped_policies, site)
    return replace(knowledge, site=site, policies=policies, overridden=overridden)


def _noted(found: Mapping[str, ShownCard], note: str) -> dict[str, ShownCard]:
    return {name: each if each.note else replace(each, note=note) for name, each in found.items()}


def shown_by(service: Service, examples: Iterable[Example]) -> Shown:
    """What some examples show, as this service answered them."""
    cards: dict[str, ShownCard] = {}
    rules: dict[str, ShownCard] = {}
    for example in examples:
        if example.assessment is None or not example.assessment.answers:
            continue
        for name, each in _of(service, example, example.assessment):
            _keep(cards, name, each)
            if not each.part:
                _keep(rules, each.rule, each)
        if UNEVALUATED not in cards:
            cards |= _of_the_service(service, example, example.assessment)
    return Shown(cards, rules)


def _keep(found: dict[str, ShownCard], name: str, each: ShownCard) -> None:
    """The best one: with room for its own words, as a first card; of several the first."""
    if name not in found or (each.crowded, each.place > 1) < (found[name].crowded, found[name].place > 1):
        found[name] = each


def _of(service: Service, example: Example, assessment: Assessment) -> Iterator[tuple[str, ShownCard]]:
    """(card id, how it is shown) of everything that one example is answered."""
    made = service.cards(assessment)
    for place, (answer, card) in enumerate(zip(assessment.answers, made, strict=True), 1):
        whole = _shown(example, answer, card, place, len(made))
        yield card_of(answer), whole
        if answer.also:
            yield ALSO, whole
        for part in _parts(service.knowledge, assessment, answer):
            if said := service.program.wording.part(part, answer, assessment):
                yield part, replace(whole, card={"detail": said}, part=True)


def _of_the_service(service: Service, example: Example, assessment: Assessment) -> dict[str, ShownCard]:
    """The cards that no rule asks for: an answer given again, and one that could not be given."""
    (again, *others) = service.cards(assessment, since=assessment.now)
    told = _shown(example, assessment.answers[0], again, 1, 1 + len(others))
    return {
        REPEATED: replace(told, note="The same call once more, unchanged"),
        UNEVALUATED: _failed(service, example, assessment),
    }


def _parts(knowledge: Knowledge, assessment: Assessment, answer: Answer) -> Iterable[str]:
    own = knowledge.cards[card_of(answer)].parts
    return (HEADER, FOOTER, *assessment.of(answer.occasion).first_card, *own) if answer.leads else own


def _failed(service: Service, example: Example, assessment: Assessment) -> ShownCard:
    """The first card as if the rules could not be evaluated."""
    orders = tuple(
        unevaluated(o.occasion, (), o.facts, o.findings, "the rules engine failed") for o in assessment.orders
    )
    failed = replace(assessment, orders=orders, answers=ranked(orders, most_cards(assessment.hook)))
    cards = service.program.wording.cards(failed)
    told = _shown(example, failed.answers[0], cards[0], 1, len(cards))
    return replace(told, note="As if the rules engine had failed")


def _shown(example: Example, answer: Answer, card: Json, place: int, of: int) -> ShownCard:
    return ShownCard(
        card=card,
        decision=answer.decision,
        rule=answer.rule.id,
        patient=example.chart.patient_id,
        story=example.chart.story,
        hook=example.hook,
        at=example.at,
        place=place,
        of=of,
        crowded=bool(answer.also),
    )
