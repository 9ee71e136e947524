"""Feedback as rows: kept once each, joined to the cards it is about when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, and_, case, func, literal, select, update

from cds_service.store.chain import Anchor, append, canonical, own
from cds_service.store.database import inserting
from cds_service.store.entry import Feedback, written
from cds_service.store.keys import Keys
from cds_service.store.tables import accepted, card, feedback

_ONCE: Final = ("card", "outcome", "reason_system", "reason_code")
_rule_of: Final = select(card.c.uuid, card.c.rule)
_AT_ONCE: Final = 500  # a statement takes so many values from every database


def keep(
    connection: Connection,
    keys: Keys,
    service: str,
    items: Sequence[Feedback],
    now: datetime,
    seen: Anchor | None = None,
) -> Anchor | None:
    """All of them. The same card, outcome and reason again is the same row, with the later time and all suggestions.

    What is new or other than before is sealed by a record of the chain: its new end; None where nothing is.
    """
    cards = sorted({item.card for item in items})
    before = _digests(connection, keys, cards)
    insert = inserting(connection)
    latest = func.max if connection.dialect.name == "sqlite" else func.greatest
    # Always in the same order: two posts about the same cards would else wait for each other.
    for item in sorted(items, key=lambda i: (i.card, i.outcome, i.reason_system, i.reason_code)):
        told = insert(feedback).values(
            card=item.card,
            service=service,
            outcome=item.outcome,
            reason_system=item.reason_system,
            reason_code=item.reason_code,
            reason_display=item.reason_display,
            comment=item.comment,
            first_at=written(item.at),
            last_at=written(item.at),
            received_at=written(now),
        )
        again = {
            "last_at": latest(feedback.c.last_at, told.excluded.last_at),
            "comment": case((feedback.c.comment == "", told.excluded.comment), else_=feedback.c.comment),
        }
        row = connection.scalar(told.on_conflict_do_update(index_elements=_ONCE, set_=again).returning(feedback.c.id))
        for suggestion in dict.fromkeys(item.accepted):
            one = insert(accepted).values(feedback=row, suggestion=suggestion)
            connection.execute(one.on_conflict_do_nothing())
    after = _digests(connection, keys, cards)
    return _sealed(
        connection, keys, service, [(n, each) for n, each in after.items() if before.get(n) != each], now, seen
    )


def _sealed(
    connection: Connection,
    keys: Keys,
    service: str,
    digests: Sequence[tuple[int, str]],
    now: datetime,
    seen: Anchor | None,
) -> Anchor | None:
    if not digests:
        return None
    sealed = [{"row": number, "digest": each} for number, each in digests]
    end = append(connection, keys, [own("feedback", now, {"service": service, "items": sealed})], now, seen)
    numbers = [number for number, _ in digests]
    for start in range(0, len(numbers), _AT_ONCE):
        part = feedback.c.id.in_(numbers[start : start + _AT_ONCE])
        connection.execute(update(feedback).where(part).values(seq=end.seq))
    return end


def digest(keys: Keys, row: RowMapping, suggestions: Sequence[str]) -> str:
    """What seals a row with the suggestions that were accepted: all but which record does."""
    told = {name: value for name, value in row.items() if name != "seq"}
    return keys.name("feedback", canonical([told, sorted(suggestions)]))


def every(connection: Connection, cards: Sequence[str] | None = None) -> Iterator[tuple[RowMapping, list[str]]]:
    """Each row with the suggestions that were accepted; `cards` names some, else all."""
    rows, chosen = select(feedback).order_by(feedback.c.id), select(accepted)
    if cards is not None:
        rows = rows.where(feedback.c.card.in_(cards))
        chosen = chosen.join(feedback, feedback.c.id == accepted.c.feedback).where(feedback.c.card.in_(cards))
    of: dict[int, list[str]] = {}
    for number, suggestion in connection.execute(chosen):
        of.setdefault(number, []).append(suggestion)
    for row in connection.execute(rows).mappings():
        yield row, of.get(row["id"], [])


def _digests(connection: Connection, keys: Keys, cards: Sequence[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for start in range(0, len(cards), _AT_ONCE):
        told = every(connection, cards[start : start + _AT_ONCE])
        found |= {row["id"]: digest(keys, row, suggestions) for row, suggestions in told}
    return found


def rules(connection: Connection, items: Sequence[Feedback]) -> dict[str, str]:
    """The cards that they are about, as far as they are known by now, with the rule of each."""
    wanted = sorted({item.card for item in items})
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        found.update((row.uuid, row.rule) for row in connection.execute(_rule_of.where(card.c.uuid.in_(part))))
    return found


def listed(connection: Connection, since: datetime | None, until: datetime | None) -> Iterator[Mapping[str, Any]]:
    """Every row in the order in which it came, with its card where that is known, and the suggestions accepted."""
    chosen: dict[int, list[str]] = {}
    for of, suggestion in connection.execute(select(accepted).order_by(accepted.c.suggestion)):
        chosen.setdefault(of, []).append(suggestion)
    of_card = [card.c[name] for name in ("rule", "version", "decision", "indicator", "kind", "tenant", "location")]
    rows = select(feedback, *of_card, card.c.role, card.c.at.label("shown_at")).select_from(_with_card())
    for row in connection.execute(_between(rows, feedback.c.last_at, since, until).order_by(feedback.c.id)).mappings():
        yield {**row, "accepted": chosen.get(row["id"], [])}


def report(connection: Connection, since: datetime | None, until: datetime | None) -> list[RowMapping]:
    """For each rule, version, decision and kind of order: cards shown, and what became of them in the end.

    Cards are those shown in the time; their feedback counts whenever it came.
    """
    final = _final()
    counted = (
        select(
            card.c.rule,
            card.c.version,
            card.c.decision,
            card.c.kind,
            func.count().label("shown"),
            func.count(case((final.c.outcome == "accepted", 1))).label("accepted"),
            func.count(case((final.c.outcome == "overridden", 1))).label("overridden"),
        )
        .select_from(card.outerjoin(final, final.c.card == card.c.uuid))
        .group_by(card.c.rule, card.c.version, card.c.decision, card.c.kind)
        .order_by(card.c.rule, card.c.version, card.c.decision, card.c.kind)
    )
    return list(connection.execute(_between(counted, card.c.at, since, until)).mappings())


def reasons(connection: Connection, since: datetime | None, until: datetime | None) -> list[RowMapping]:
    """Why cards were overridden in the end, most frequent first; a reason that was not given is empty."""
    final, times = _final(), func.count().label("times")
    by = [card.c.rule, card.c.version, final.c.reason_system, final.c.reason_code]
    counted = (
        select(*by, func.max(final.c.reason_display).label("reason_display"), times)
        .select_from(card.join(final, and_(final.c.card == card.c.uuid, final.c.outcome == "overridden")))
        .group_by(*by)
        .order_by(card.c.rule, card.c.version, times.desc(), final.c.reason_code)
    )
    return list(connection.execute(_between(counted, card.c.at, since, until)).mappings())


def days(connection: Connection, since: datetime | None, until: datetime | None) -> list[RowMapping]:
    """The same as `report`, for each day (UTC) and rule."""
    final, day = _final(), func.substr(card.c.at, 1, 10).label("day")
    counted = (
        select(
            day,
            card.c.rule,
            func.count().label("shown"),
            func.count(case((final.c.outcome == "accepted", 1))).label("accepted"),
            func.count(case((final.c.outcome == "overridden", 1))).label("overridden"),
        )
        .select_from(card.outerjoin(final, final.c.card == card.c.uuid))
        .group_by(day, card.c.rule)
        .order_by(day, card.c.rule)
    )
    return list(connection.execute(_between(counted, card.c.at, since, until)).mappings())


def strangers(connection: Connection, since: datetime | None, until: datetime | None) -> int:
    """How many rows of feedback are about cards that nobody knows."""
    counted = select(func.count()).select_from(_with_card()).where(card.c.uuid.is_(None))
    return connection.scalar(_between(counted, feedback.c.last_at, since, until)) or 0


def _with_card() -> Any:
    return feedback.outerjoin(card, card.c.uuid == feedback.c.card)


def _final() -> Any:
    """The last feedback to each card."""
    place = func.row_number().over(
        partition_by=feedback.c.card, order_by=(feedback.c.last_at.desc(), feedback.c.id.desc())
    )
    ranked = select(feedback, place.label("place")).subquery()
    return select(ranked).where(ranked.c.place == literal(1)).subquery()


def _between(rows: Select[Any], moment: Any, since: datetime | None, until: datetime | None) -> Select[Any]:
    if since is not None:
        rows = rows.where(moment >= written(since))
    return rows if until is None else rows.where(moment < written(until))
