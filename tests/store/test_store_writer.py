"""The thread that keeps answers: nobody waits for it, nothing that can be kept is lost, and what is lost is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from cds_service.errors import StoreError
from cds_service.store.writer import Writer

_HANGS = 20


class Shelf:
    """What was kept; `refuses` is called with each batch first."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.tried = 0
        self.refuses: Callable[[Sequence[int]], None] = lambda batch: None

    def keep(self, batch: Sequence[int]) -> None:
        self.tried += 1
        self.refuses(batch)
        self.kept += batch


def down(batch: Sequence[int]) -> None:
    raise StoreError("down")


def assert_done(holds: bool) -> None:
    assert holds


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _HANGS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_what_is_handed_in_is_kept_in_order_by_one_thread() -> None:
    shelf, writers = Shelf(), set()
    shelf.refuses = lambda batch: writers.add(threading.current_thread())
    writer = Writer(shelf.keep, most=1000)
    for number in range(500):
        writer.put(number)
    writer.close()
    assert shelf.kept == list(range(500))
    assert (writer.lost, writer.down, len(writers)) == (0, False, 1)


def test_what_comes_together_is_kept_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds_service.store.writer._GATHER_SECONDS", 0.3)
    shelf = Shelf()
    writer = Writer(shelf.keep, most=1000)
    for number in range(20):
        writer.put(number)
        time.sleep(0.001)
    until(lambda: len(shelf.kept) == 20)
    assert shelf.tried <= 3  # one empty, to see whether the store is up, and one or two with all of them
    writer.close()


def test_who_asks_about_them_does_not_wait_until_others_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds_service.store.writer._GATHER_SECONDS", _HANGS)
    shelf = Shelf()
    writer = Writer(shelf.keep, most=1000)
    for number in range(3):
        writer.put(number)
        writer.hurry(_HANGS)
        assert shelf.kept == list(range(number + 1))
    writer.put(3)
    writer.close()  # nor does an end
    assert shelf.kept == [0, 1, 2, 3]


def test_who_hands_in_does_not_wait_and_what_there_is_no_room_for_is_counted() -> None:
    shelf, go = Shelf(), threading.Event()
    shelf.refuses = lambda batch: assert_done(go.wait(_HANGS))
    writer = Writer(shelf.keep, most=10)
    for number in range(25):
        writer.put(number)  # nothing was kept yet: the store answers nobody
    assert writer.lost == 15
    go.set()
    writer.close()
    assert shelf.kept == list(range(10))


def test_a_store_that_comes_back_gets_what_was_waiting(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf()
    shelf.refuses = down
    writer = Writer(shelf.keep, most=10, retry=0.01)
    writer.start()  # known before the first answer
    until(lambda: writer.down)
    writer.put(1)
    until(lambda: shelf.tried > 3)
    shelf.refuses = lambda batch: None
    until(lambda: shelf.kept == [1])
    until(lambda: not writer.down)
    writer.close()
    assert caplog.text.count("store is down") == caplog.text.count("store is up again") == 1
    assert writer.lost == 0


def test_a_store_that_comes_back_is_noticed_without_an_answer() -> None:
    shelf = Shelf()
    shelf.refuses = down
    writer = Writer(shelf.keep, most=10, retry=0.01)
    writer.start()
    until(lambda: writer.down)
    shelf.refuses = lambda batch: None
    until(lambda: not writer.down)
    writer.close()


def test_one_bad_entry_is_counted_and_keeps_no_other_from_being_kept() -> None:
    shelf, go = Shelf(), threading.Event()

    def refuse(batch: Sequence[int]) -> None:
        go.wait(_HANGS)
        if 3 in batch:
            raise ValueError

    shelf.refuses = refuse
    writer = Writer(shelf.keep, most=10)
    for number in range(6):
        writer.put(number)
    go.set()
    writer.close()
    assert shelf.kept == [0, 1, 2, 4, 5]
    assert writer.lost == 1


def test_a_store_that_fails_whatever_it_is_asked_is_down_and_loses_nothing() -> None:
    """Such as one whose rows are not what they should be: no entry is to blame."""
    shelf = Shelf()

    def broken(batch: Sequence[int]) -> None:
        raise TypeError

    shelf.refuses = broken
    writer = Writer(shelf.keep, most=10, retry=0.01)
    for number in range(3):
        writer.put(number)
    until(lambda: writer.down)
    shelf.refuses = lambda batch: None
    until(lambda: shelf.kept == [0, 1, 2])
    assert writer.close() == writer.lost == 0


def test_what_somebody_else_finds_down_is_looked_at_again() -> None:
    shelf = Shelf()
    writer = Writer(shelf.keep, most=10, retry=0.01)
    writer.start()
    until(lambda: shelf.tried == 1)
    writer.doubt("down")
    assert writer.down
    until(lambda: not writer.down)
    writer.close()


def test_an_end_while_the_store_is_down_says_how_much_still_waits() -> None:
    shelf = Shelf()
    shelf.refuses = down
    writer = Writer(shelf.keep, most=10)
    writer.put(1)
    writer.put(2)
    assert writer.close() == 2


def test_a_thread_with_nothing_to_do_ends_and_the_next_answer_starts_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds_service.store.writer._IDLE_SECONDS", 0.01)
    shelf = Shelf()
    writer = Writer(shelf.keep, most=10)
    before = threading.active_count()
    for number in range(3):
        writer.put(number)
        until(lambda: threading.active_count() == before)
    assert shelf.kept == [0, 1, 2]
