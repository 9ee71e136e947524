"""The chain of records: one for all processes, in which every edit, swap and gap is found."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Table, delete, insert, select, update

from cds_service.errors import StoreError
from cds_service.store import answers, feedback
from cds_service.store.chain import Anchor, anchor, anchored, note
from cds_service.store.database import Database
from cds_service.store.entry import Caller, Entry, Feedback, ShownCard
from cds_service.store.keys import Keys, load
from cds_service.store.place import Place
from cds_service.store.records import records
from cds_service.store.retention import Taken, older, take
from cds_service.store.tables import accepted, audit, card, head
from cds_service.store.tables import feedback as feedback_table
from cds_service.store.verify import Verified, verify

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
KEYS = Keys("k" * 32)
TRIES = 30


class Undone(Exception):
    """Takes back what a test did to the records."""


@contextmanager
def undone(opened: Database) -> Iterator[Connection]:
    """A connection whose changes are taken back in the end."""
    with suppress(Undone), opened.writing() as connection:
        yield connection
        raise Undone


@pytest.fixture
def opened(place: Place) -> Iterator[Database]:
    found = Database(place)
    found.upgrade()
    yield found
    found.close()


def entry(number: int = 0, **more: Any) -> Entry:
    shown = ShownCard(str(uuid4()), "crs-adult-grade-2", "1.0.0", "suggest", "warning", "anakinra", leads=True)
    names = {"patient": "Mrs Zq7", "user": "Practitioner/7"}
    found = {"orders": [{"occasion": "anakinra", "facts": {"crs-grade": {"value": 2}}, "drafts": []}], "number": number}
    told = {"caller": Caller(role="Practitioner"), "cards": (shown,), "names": names, "found": found}
    return Entry(str(uuid4()), NOON + timedelta(minutes=number), "anakinra-order-select", **(told | more))


def kept(opened: Database, *entries: Entry, keys: Keys = KEYS, lost: int = 0, seen: Anchor | None = None) -> Anchor:
    with opened.writing() as connection:
        return answers.keep(connection, keys, [answers.text(keys, each) for each in entries], lost, NOON, seen)


def told(opened: Database, *items: Feedback, now: datetime = NOON) -> None:
    with opened.writing() as connection:
        feedback.keep(connection, KEYS, "anakinra-order-select", items, now)


def verified(opened: Database, *anchors: Anchor, keys: Keys = KEYS) -> Verified:
    with opened.reading() as connection:
        return verify(connection, keys, anchors)


def texts(opened: Database) -> list[dict[str, Any]]:
    with opened.reading() as connection:
        return [json.loads(each.record) for each in records(connection, None, None)]


def test_records_are_one_chain_and_name_nobody(opened: Database) -> None:
    assert (verified(opened).records, verified(opened).faults) == (0, [])
    first, second = entry(1), entry(2)
    kept(opened, first)
    end = kept(opened, second, first)  # the first again: it was kept, and nobody was told so
    told = verified(opened, end)
    assert (told.faults, told.records, told.end) == ([], 2, end)
    one, two = texts(opened)
    assert (one["id"], two["id"]) == (first.id, second.id)
    assert "Zq7" not in str([one, two])
    assert one["patient"] == two["patient"] != one["user"]
    assert (one["caller"], one["cards"][0]["rule"]) == ({"role": "Practitioner"}, "crs-adult-grade-2")


def test_facts_may_be_kept_as_a_digest_that_tells_them_apart(opened: Database) -> None:
    other = {"orders": [{"occasion": "anakinra", "facts": {"crs-grade": {"value": 3}}, "drafts": []}]}
    kept(opened, *(entry(n, digest_only=True) for n in (1, 2)), entry(3, digest_only=True, found=other))
    facts = [record["orders"][0]["facts"] for record in texts(opened)]
    assert [set(each) for each in facts] == [{"digest"}] * 3
    assert facts[0] == facts[1] != facts[2]


def test_what_was_never_recorded_is_a_record_too(opened: Database) -> None:
    kept(opened, entry(), lost=7)
    assert [(r["kind"], r.get("answers")) for r in texts(opened)] == [("lost", 7), ("answer", None)]


def test_many_processes_append_to_the_same_chain(opened: Database) -> None:
    others = [Database(opened.place) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda n: kept(others[n % 4], entry(n), entry(n)), range(40)))
    told = verified(opened, *ends)
    assert (told.faults, told.records, told.first, told.end.seq) == ([], 80, 1, 80)
    for other in others:
        other.close()


def test_another_key_neither_continues_a_chain_nor_proves_it(opened: Database) -> None:
    kept(opened, entry())
    with pytest.raises(StoreError, match="another key"):
        kept(opened, entry(), keys=Keys("x" * 32))
    assert "sealed with another key" in str(verified(opened, keys=Keys("x" * 32)).faults)


# ---------------------------------------------------------------- what is done to the records


def edited(chosen: random.Random, connection: Connection, table: Table, key: Any) -> None:
    """One character of one value of one row is another."""
    row = chosen.choice(list(connection.execute(select(table)).mappings()))
    # The number of an item of feedback is held by what was accepted with it.
    name = chosen.choice([column.name for column in table.columns if not (table is feedback_table and column is key)])
    value = row[name]
    if isinstance(value, bool):
        changed: Any = not value
    elif isinstance(value, int):
        changed = value + 1_000_000
    else:
        place = chosen.randrange(len(value)) if value else 0
        changed = (
            value[:place] + chosen.choice([c for c in '0aZ"' if c != value[place : place + 1]]) + value[place + 1 :]
        )
    connection.execute(update(table).where(key == row[key.name]).values({name: changed}))


def edited_record(chosen: random.Random, connection: Connection) -> None:
    edited(chosen, connection, audit, audit.c.seq)


def edited_card(chosen: random.Random, connection: Connection) -> None:
    edited(chosen, connection, card, card.c.uuid)


def edited_feedback(chosen: random.Random, connection: Connection) -> None:
    edited(chosen, connection, feedback_table, feedback_table.c.id)


def edited_suggestion(chosen: random.Random, connection: Connection) -> None:
    """Another one, or one more, or one less."""
    row = chosen.choice(list(connection.execute(select(accepted)).mappings()))
    one = accepted.c.suggestion == row["suggestion"]
    spoiled = [
        update(accepted).where(one).values(suggestion="x"),
        insert(accepted).values({**row, "suggestion": "x"}),
        delete(accepted).where(one),
    ]
    connection.execute(chosen.choice(spoiled))


def deleted_row(chosen: random.Random, connection: Connection) -> None:
    """A card, or an item of feedback."""
    table, key = chosen.choice([(card, card.c.uuid), (feedback_table, feedback_table.c.id)])
    row = chosen.choice(list(connection.execute(select(key))))
    connection.execute(delete(table).where(key == row[0]))


def swapped_feedback(chosen: random.Random, connection: Connection) -> None:
    """The outcomes of two cards, or their suggestions."""
    if chosen.random() < 0.5:
        one, two = chosen.sample(list(connection.execute(select(feedback_table)).mappings()), 2)
        cards = [(one["id"], "aside"), (two["id"], one["card"]), (one["id"], two["card"])]
        for number, of in cards:
            connection.execute(update(feedback_table).where(feedback_table.c.id == number).values(card=of))
        return
    rows = list(connection.execute(select(accepted)).mappings())
    one = chosen.choice(rows)
    two = chosen.choice([row for row in rows if row["feedback"] != one["feedback"]])
    for row, other in ((one, two), (two, one)):
        connection.execute(delete(accepted).where(accepted.c.suggestion == row["suggestion"]))
        connection.execute(insert(accepted).values(feedback=other["feedback"], suggestion=row["suggestion"]))


def deleted(chosen: random.Random, connection: Connection) -> None:
    """Some rows that follow each other, also the first and the last ones."""
    seqs = list(connection.scalars(select(audit.c.seq).order_by(audit.c.seq)))
    start = chosen.randrange(len(seqs))
    connection.execute(delete(audit).where(audit.c.seq.in_(seqs[start : start + chosen.randint(1, 4)])))


def swapped(chosen: random.Random, connection: Connection) -> None:
    """The contents of two rows, with or without their seals."""
    one, two = chosen.sample(list(connection.execute(select(audit)).mappings()), 2)
    names = chosen.choice([("id", "at", "record"), ("id", "at", "record", "hash"), ("hash",)])
    connection.execute(update(audit).where(audit.c.seq == one["seq"]).values(id="aside"))
    for row, other in ((two, one), (one, two)):
        connection.execute(update(audit).where(audit.c.seq == row["seq"]).values({n: other[n] for n in names}))
    if "id" not in names:
        connection.execute(update(audit).where(audit.c.seq == one["seq"]).values(id=one["id"]))


def put_in(chosen: random.Random, connection: Connection) -> None:
    """A copy of a row, or a card that nobody was shown."""
    row = chosen.choice(list(connection.execute(select(audit)).mappings()))
    last = connection.scalars(select(audit.c.seq).order_by(audit.c.seq.desc())).first() or 0
    if chosen.random() < 0.5:
        connection.execute(insert(audit).values({**row, "seq": last + 1, "id": "x"}))
    else:
        table, key = chosen.choice([(card, "uuid"), (feedback_table, "card")])
        of = dict(connection.execute(select(table)).mappings().first() or {})
        of.pop("id", None)
        connection.execute(insert(table).values({**of, key: "x"}))


def another_end(chosen: random.Random, connection: Connection) -> None:
    edited(chosen, connection, head, head.c.id)


@pytest.mark.parametrize(
    "tamper",
    [
        edited_record,
        edited_card,
        edited_feedback,
        edited_suggestion,
        deleted,
        deleted_row,
        swapped,
        swapped_feedback,
        put_in,
        another_end,
    ],
)
def test_whatever_is_done_to_the_records_is_found(
    opened: Database, tamper: Callable[[random.Random, Connection], None]
) -> None:
    entries = [entry(number) for number in range(12)]
    kept(opened, *entries)
    for number, each in enumerate(entries[:6]):
        accepts = ("accepted", (f"s{number}", f"t{number}")) if number % 2 else ("overridden", ())
        told(opened, Feedback(each.cards[0].uuid, accepts[0], NOON, accepts[1], "urn:r", f"r{number}", "d", "c"))
    assert verified(opened).faults == []
    missed = []
    for seed in range(TRIES):
        with undone(opened) as connection:
            tamper(random.Random(seed), connection)
            if not verify(connection, KEYS, ()).faults:
                missed.append(seed)
    assert missed == []
    assert verified(opened).faults == []


def test_the_newest_records_with_their_end_are_missed_only_by_an_anchor(opened: Database) -> None:
    earlier = kept(opened, entry(1))
    end = kept(opened, entry(2), entry(3))
    newer = texts(opened)[1:]
    with opened.writing() as connection:
        connection.execute(delete(audit).where(audit.c.seq > 1))
        connection.execute(delete(card).where(card.c.uuid.in_([c["uuid"] for r in newer for c in r["cards"]])))
        connection.execute(update(head).values(seq=earlier.seq, hash=earlier.hash))
    assert verified(opened).faults == []  # nothing in the database can tell: an older state of it looks just so
    assert verified(opened, end).faults == ["the newest records, 2 to 3, are missing: an anchor names them"]
    # What is appended says so, whatever becomes of the anchor then; and where nobody remembered, the anchor still does.
    kept(opened, entry(4), entry(5), entry(6), seen=end)
    says = (
        f"record 2 says that before it records were taken away, or their end changed (last {earlier}, end {earlier}, "
    )
    assert verified(opened).faults == [f"{says}seen {end})"]
    assert len(verified(opened, end).faults) == 2


def test_what_is_appended_to_a_chain_without_its_end_says_so(opened: Database) -> None:
    """Also where the rows of the end itself are gone, or stand elsewhere: answers are recorded all the same."""
    kept(opened, entry(1))
    second = kept(opened, entry(2), entry(3))
    for spoiled in (
        delete(head),
        update(head).values(seq=1),
        update(head).values(id=7),
        delete(audit).where(audit.c.seq > 1),
        delete(audit),
    ):
        with undone(opened) as connection:
            connection.execute(spoiled)
            answers.keep(connection, KEYS, [answers.text(KEYS, entry(4))], 0, NOON, second)
            answers.keep(connection, KEYS, [answers.text(KEYS, entry(5))], 0, NOON)
            found = verify(connection, KEYS, ()).faults
            assert any("taken away, or their end changed" in fault for fault in found), spoiled
    assert verified(opened).faults == []


def test_an_anchor_is_noted_and_read_back(tmp_path: Path) -> None:
    assert anchored(tmp_path / "none") is None
    note(tmp_path / "data", Anchor(12, "ab"))
    note(tmp_path / "data", Anchor(13, "cd"))
    assert anchored(tmp_path / "data") == anchor("13:cd") == Anchor(13, "cd")
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["audit.anchor"]
    for text in ("", "x:y", "1", "1:"):
        with pytest.raises(ValueError, match="expected"):
            anchor(text)


def test_the_key_of_a_folder_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    with ThreadPoolExecutor(8) as pool:
        prints = {keys.fingerprint for keys in pool.map(lambda _: load(place, ""), range(32))}
    assert len(prints) == 1
    assert {file.name for file in place.folder.iterdir()} == {"store.key", "store.sqlite"}
    assert (place.folder / "store.key").stat().st_mode & 0o077 == 0
    assert load(place, "s" * 32).fingerprint not in prints
    (place.folder / "store.key").write_text("short")
    with pytest.raises(StoreError, match=r"store\.key: expected at least 32"):
        load(place, "")


# ---------------------------------------------------------------- what is taken away on purpose


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def taken(opened: Database, minute: int) -> Taken:
    with opened.writing() as connection:
        return take(connection, KEYS, at(minute), at(99))[0]


def test_retention_takes_what_is_older_and_the_rest_proves_itself(opened: Database) -> None:
    entries = [entry(number) for number in range(10)]
    early, late = (Feedback(entries[number].cards[0].uuid, "overridden", NOON) for number in (0, 1))
    kept(opened, *entries[:3])
    told(opened, early, now=at(3))
    kept(opened, *entries[3:8])
    told(opened, late, now=at(8))
    end = kept(opened, *entries[8:])
    with opened.reading() as connection:
        assert older(connection, at(6)) == Taken(7, 1)
    assert taken(opened, 6) == Taken(7, 1)
    with opened.reading() as connection:
        shown = set(connection.scalars(select(card.c.uuid)))
    assert shown == {late.card} | {each.cards[0].uuid for each in entries[6:]}
    found = verified(opened, end)
    assert (found.faults, found.records, found.first, found.end.seq) == ([], 6, 8, 13)
    for spoiled in (delete(card), update(card).values(rule="x"), update(card).values(at="x")):
        with undone(opened) as connection:
            connection.execute(spoiled.where(card.c.uuid == late.card))
            assert any("outlived" in fault for fault in verify(connection, KEYS, ()).faults)
    newest = entry(11)
    kept(opened, newest)
    assert taken(opened, 8) == Taken(2, 0)  # the card that outlived its record does so once more
    assert taken(opened, -9999) == Taken(0, 0)
    assert (verified(opened, end).faults, verified(opened).first) == ([], 10)
    assert taken(opened, 98) == Taken(3, 1)
    with opened.reading() as connection:
        assert list(connection.scalars(select(card.c.uuid))) == [newest.cards[0].uuid]
    assert verified(opened).faults == []


def test_feedback_that_no_record_seals_goes_by_the_time_at_which_it_came(opened: Database) -> None:
    """As an earlier version kept it: it proves nothing, and is said to."""
    kept(opened, *(entry(number) for number in range(9)))
    told(opened, Feedback(str(uuid4()), "overridden", NOON))
    with opened.writing() as connection:
        connection.execute(update(feedback_table).values(seq=0))
        connection.execute(delete(audit).where(audit.c.seq == 10))
        connection.execute(
            update(head).values(seq=9, hash=select(audit.c.hash).where(audit.c.seq == 9).scalar_subquery())
        )
    (fault,) = verified(opened).faults
    assert fault.endswith("is in no record")
    assert taken(opened, 5) == Taken(5, 1)
    assert verified(opened).faults == []


def test_what_is_taken_away_by_hand_is_no_retention(opened: Database) -> None:
    kept(opened, *(entry(number) for number in range(10)))
    with opened.writing() as connection:
        take(connection, KEYS, at(3), at(99))
    with opened.writing() as connection:
        connection.execute(delete(audit).where(audit.c.seq <= 5))
    assert "records 1 to 5 are missing, and no retention took them" in verified(opened).faults


def test_when_all_is_older_the_retention_itself_stays(opened: Database) -> None:
    kept(opened, *(entry(number) for number in range(3)))
    with opened.writing() as connection:
        take(connection, KEYS, NOON + timedelta(days=1), NOON + timedelta(days=1))
    told = verified(opened)
    assert (told.faults, told.records, told.first) == ([], 1, 4)
