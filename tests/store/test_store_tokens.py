"""A token of a CDS client opens one request, whichever worker or replica it reaches: on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from cds_service.store.database import Database
from cds_service.store.place import Place
from cds_service.store.store import Store
from cds_service.store.taken import named
from cds_service.store.tokens import take

NOW = datetime.now(UTC)
SOON = NOW + timedelta(seconds=300)
RACING = 20


@pytest.fixture(autouse=True)
def tables(place: Place) -> None:
    database = Database(place)
    database.upgrade()
    database.close()


def test_a_token_is_taken_once_by_all_stores_together(place: Place) -> None:
    one, two = Store(place), Store(place)
    assert one.take("iss", "a", SOON, NOW)
    assert not one.take("iss", "a", SOON, NOW)
    assert not two.take("iss", "a", SOON, NOW)
    assert two.take("iss", "b", SOON, NOW)
    assert one.take("another", "a", SOON, NOW)
    for store in (one, two):
        assert not store.down
        store.close()
    later = Store(place)
    assert not later.take("iss", "b", SOON, NOW)
    later.close()


def test_of_racing_copies_exactly_one_is_taken(place: Place) -> None:
    stores = [Store(place) for _ in range(2)]
    for number in range(3):
        with ThreadPoolExecutor(RACING) as pool:
            tried = [pool.submit(stores[i % 2].take, "iss", f"jti {number}", SOON, NOW) for i in range(RACING)]
        assert sum(each.result() for each in tried) == 1
    for store in stores:
        store.close()


def test_several_at_once_count_as_far_as_they_are_new_and_are_forgotten_after_their_end(place: Place) -> None:
    a, b, c = (named("iss", jti) for jti in "abc")
    database = Database(place)
    with database.writing() as connection:
        assert take(connection, {}, NOW) == 0
        assert take(connection, {a: SOON, b: NOW + timedelta(seconds=1)}, NOW) == 2
        assert take(connection, {a: SOON, b: SOON, c: SOON}, NOW) == 1
        assert take(connection, {b: SOON}, NOW + timedelta(seconds=2)) == 1
    database.close()
