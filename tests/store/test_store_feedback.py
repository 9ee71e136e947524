"""Feedback in the store: each outcome once, changes as history, cards known later, and what the report counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from cds_service.store import answers, feedback
from cds_service.store.database import Database
from cds_service.store.entry import Caller, Entry, Feedback, ShownCard
from cds_service.store.keys import Keys
from cds_service.store.place import Place

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
SELECT = "anakinra-order-select"
CARD = str(uuid4())
KEYS = Keys("k" * 32)


@pytest.fixture
def opened(place: Place) -> Iterator[Database]:
    found = Database(place)
    found.upgrade()
    yield found
    found.close()


def shown(uuid: str = CARD, rule: str = "crs-adult-grade-2", version: str = "1.0.0", **more: Any) -> ShownCard:
    return ShownCard(
        uuid, rule, version, **({"decision": "suggest", "indicator": "warning"} | more), kind="anakinra", leads=True
    )


def answered(opened: Database, *cards: ShownCard, at: datetime = NOON) -> None:
    with opened.writing() as connection:
        answer = Entry(str(uuid4()), at, SELECT, Caller(role="Practitioner"), cards)
        answers.keep(connection, KEYS, [answers.text(KEYS, answer)], 0, NOON)


def told(opened: Database, *items: Feedback) -> set[str]:
    with opened.writing() as connection:
        feedback.keep(connection, KEYS, SELECT, items, NOON)
        return {item.card for item in items} - feedback.rules(connection, items).keys()


def rows(opened: Database, *between: datetime) -> list[dict[str, Any]]:
    since, until = between or (None, None)
    with opened.reading() as connection:
        return [dict(row) for row in feedback.listed(connection, since, until)]


def counts(opened: Database, *between: datetime) -> list[tuple[Any, ...]]:
    since, until = between or (None, None)
    with opened.reading() as connection:
        return [tuple(row.values()) for row in feedback.report(connection, since, until)]


def accepted(*suggestions: str, card: str = CARD, minutes: int = 0) -> Feedback:
    return Feedback(card, "accepted", NOON + timedelta(minutes=minutes), suggestions)


def overridden(code: str = "", comment: str = "", card: str = CARD, minutes: int = 0) -> Feedback:
    return Feedback(
        card, "overridden", NOON + timedelta(minutes=minutes), (), "urn:r" if code else "", code, code.title(), comment
    )


def test_the_same_again_is_one_row_that_loses_nothing(opened: Database) -> None:
    told(opened, accepted("s1"), accepted("s1"))
    told(opened, accepted("s2", minutes=5))
    told(opened, accepted("s1", minutes=3))
    (row,) = rows(opened)
    assert row["accepted"] == ["s1", "s2"]
    assert (row["first_at"], row["last_at"]) == ("2026-03-05T12:00:00.000000Z", "2026-03-05T12:05:00.000000Z")


def test_a_comment_that_comes_later_is_kept_and_does_not_make_another_item(opened: Database) -> None:
    for comment in ("", "infection treated", "something else"):
        told(opened, overridden("a", comment))
    assert [row["comment"] for row in rows(opened)] == ["infection treated"]


def test_another_outcome_or_reason_is_history_and_the_last_one_counts(opened: Database) -> None:
    answered(opened, shown())
    told(opened, accepted("s"), overridden("a", minutes=1), overridden("b", minutes=2), overridden(minutes=3))
    assert [(r["outcome"], r["reason_code"]) for r in rows(opened)] == [
        ("accepted", ""), ("overridden", ""), ("overridden", "a"), ("overridden", "b"),
    ]  # fmt: skip
    rule = ("crs-adult-grade-2", "1.0.0", "suggest", "anakinra")
    assert counts(opened) == [(*rule, 1, 0, 1)]
    told(opened, accepted("s", minutes=4))  # accepted in the end
    assert len(rows(opened)) == 4
    assert counts(opened) == [(*rule, 1, 1, 0)]


def test_feedback_may_come_before_its_card(opened: Database) -> None:
    other = str(uuid4())
    assert told(opened, accepted("s"), accepted("s", card=other)) == {CARD, other}
    answered(opened, shown())
    assert told(opened, accepted("s")) == set()
    first, second = rows(opened)
    assert {first["rule"], second["rule"]} == {"crs-adult-grade-2", None}
    with opened.reading() as connection:
        assert feedback.strangers(connection, None, None) == 1


def test_the_report_counts_by_rule_and_version_in_a_time(opened: Database) -> None:
    ids = [str(uuid4()) for _ in range(5)]
    answered(opened, shown(ids[0]), shown(ids[1]), shown(ids[2], version="2.0.0"))
    answered(opened, shown(ids[3], rule="block", decision="block"), shown(ids[4]), at=NOON + timedelta(days=1))
    told(
        opened,
        accepted("s", card=ids[0]),
        overridden("a", card=ids[2]),
        overridden("a", card=ids[3]),
        overridden(card=ids[4]),
    )
    grade = ("crs-adult-grade-2", "1.0.0", "suggest", "anakinra")
    newer = ("crs-adult-grade-2", "2.0.0", "suggest", "anakinra", 1, 0, 1)
    assert counts(opened) == [("block", "1.0.0", "block", "anakinra", 1, 0, 1), (*grade, 3, 1, 1), newer]
    assert counts(opened, NOON, NOON + timedelta(hours=1)) == [(*grade, 2, 1, 0), newer]
    with opened.reading() as connection:
        reasons = feedback.reasons(connection, None, None)
        days = feedback.days(connection, None, None)
    assert [(r["rule"], r["version"], r["reason_code"], r["reason_display"], r["times"]) for r in reasons] == [
        ("block", "1.0.0", "a", "A", 1),
        ("crs-adult-grade-2", "1.0.0", "", "", 1),
        ("crs-adult-grade-2", "2.0.0", "a", "A", 1),
    ]
    assert [tuple(day.values()) for day in days] == [
        ("2026-03-05", "crs-adult-grade-2", 3, 1, 1),
        ("2026-03-06", "block", 1, 0, 1),
        ("2026-03-06", "crs-adult-grade-2", 1, 0, 1),
    ]


def test_an_answer_that_comes_twice_is_kept_once(opened: Database) -> None:
    for _ in range(2):
        answered(opened, shown())
    assert counts(opened) == [("crs-adult-grade-2", "1.0.0", "suggest", "anakinra", 1, 0, 0)]


def test_the_same_item_from_many_at_once_is_one_row(opened: Database) -> None:
    items = [accepted("s"), overridden("a"), overridden("b")]
    with ThreadPoolExecutor(8) as pool:
        told_all = list(pool.map(lambda n: told(opened, *items[n % 3 :], *items[: n % 3]), range(60)))
    assert told_all == [{CARD}] * 60
    assert len(rows(opened)) == 3


def test_more_items_than_a_statement_takes_values(opened: Database) -> None:
    items = [accepted("s", card=str(uuid4())) for _ in range(1200)]
    assert len(told(opened, *items)) == len(rows(opened)) == 1200


def test_any_text_is_kept(opened: Database) -> None:
    item = dataclasses.replace(
        overridden("a"), comment="'; DROP TABLE card; -- ü 漢 \U0001f9ea %s :x", reason_code="%(x)s"
    )
    told(opened, item)
    (row,) = rows(opened)
    assert (row["comment"], row["reason_code"]) == (item.comment, item.reason_code)
