"""What waits to be recorded outlives its process, whatever ends it, and is recorded once by whoever starts next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cds_service.store import waiting
from cds_service.store.database import Database
from cds_service.store.keys import load
from cds_service.store.place import Place
from cds_service.store.records import parsed, records
from cds_service.store.store import Store
from cds_service.store.verify import verify
from cds_service.store.waiting import Waiting, left
from tests.store.test_store_audit import entry
from tests.support.live import never_left
from tests.web.test_web_feedback import until

# Hands in so many answers while nothing is written behind them, says what became of each, and waits to be killed.
_HANDS_IN = """
import sys, time
from pathlib import Path
from cds_service.store.place import Place
from cds_service.store.store import Store
from tests.store.test_store_audit import entry
store = Store(Place(Path(sys.argv[1])))
store._writer._keep = lambda texts: time.sleep(60)
print(*[store.record(entry(number)) for number in range(int(sys.argv[2]))], flush=True)
time.sleep(60)
"""


def lines(folder: Path) -> list[list[str]]:
    return list(left(folder))


def kept(place: Place) -> list[int]:
    with Database(place).reading() as connection:
        return [parsed(each.record)["number"] for each in records(connection, None, None)]


def test_answers_of_a_killed_process_are_recorded_once_by_the_next_one(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    words = [sys.executable, "-c", _HANDS_IN, str(place.folder), "25"]
    with never_left(subprocess.Popen(words, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        assert set(process.stdout.readline().split()) == {"True"}
        process.send_signal(signal.SIGKILL)
    (file,) = (place.folder / "waiting").iterdir()
    torn = file.read_bytes()
    file.write_bytes(torn + b'{"id": "was being written')
    for _ in range(2):
        store = Store(place)
        store.start()
        until(lambda: len(kept(place)) == 25)
        store.close()
        assert kept(place) == list(range(25))
        assert list((place.folder / "waiting").iterdir()) == []
        # As if the process had been killed between the two: after they were recorded, before their file was removed.
        file.write_bytes(torn)
    with Database(place).reading() as connection:
        assert verify(connection, load(place, ""), ()).faults == []


def test_what_nobody_of_ours_wrote_is_counted_and_not_recorded(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    store = Store(place)
    assert store.record(entry(0))
    store.close()
    (place.folder / "waiting" / "x.jsonl").write_bytes(b'0123 {"kind":"answer"}\n\xff\n')
    other = Store(place)
    other.start()
    until(lambda: other.lost == 2)
    other.close()
    assert kept(place) == [0]


def test_while_the_store_is_down_answers_wait_for_the_next_start(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    place.made()
    place.file.write_bytes(b"this is no database " * 1000)
    store = Store(place)
    store.start()
    until(lambda: store.down)
    assert [store.record(entry(number)) for number in range(3)] == [False] * 3
    store.close()
    place.file.unlink()
    again = Store(place)
    again.start()
    until(lambda: len(kept(place)) == 3)
    again.close()
    assert (kept(place), again.lost) == ([0, 1, 2], 0)


def test_a_store_is_told_of_tokens_before_it_counts_as_up(tmp_path: Path) -> None:
    """Whatever it is that finds it up again: the next answer, or the look whether it is."""
    place, now = Place(tmp_path / "data"), datetime.now(UTC)
    for number, answers in enumerate((0, 1)):
        place.made()
        sound = place.file.read_bytes()
        place.file.write_bytes(b"this is no database " * 1000)
        store, jti = Store(place), f"token {number}"
        store.start()
        until(lambda store=store: store.down)
        assert store.take("iss", jti, now + timedelta(seconds=300), now)
        for each in range(answers):
            store.record(entry(each))
        for file in place.folder.glob("store.sqlite*"):
            file.unlink()
        if sound:
            place.file.write_bytes(sound)
        until(lambda store=store: not store.down)
        assert not Store(place).take("iss", jti, now + timedelta(seconds=300), now)
        store.close()


def test_a_file_of_a_process_that_was_still_ending_is_kept_before_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is let go a moment after the next process looked for the first time."""
    monkeypatch.setattr("cds_service.store.writer._IDLE_SECONDS", 0.3)
    place = Place(tmp_path / "data")
    dying, store = Store(place), Store(place)
    monkeypatch.setattr(dying._writer, "_wake", lambda: None)
    assert dying.record(entry(0))
    store.start()
    until(lambda: store._writer.known)
    assert kept(place) == []
    dying.close()
    until(lambda: kept(place) == [0])
    store.close()


def test_a_file_of_a_living_process_is_its_own(tmp_path: Path) -> None:
    own = Waiting(tmp_path)
    assert own.add("a")
    assert lines(tmp_path) == []
    own.close()
    assert lines(tmp_path) == [["a"]]
    assert lines(tmp_path) == []


def test_files_are_removed_when_all_of_them_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_FILE_BYTES", 100)
    own, folder = Waiting(tmp_path), tmp_path / "waiting"
    for number in range(30):
        assert own.add(f"{number:09}")
    assert [file.stat().st_size for file in sorted(folder.iterdir(), key=lambda f: f.stat().st_mtime_ns)] == [100] * 3
    own.done(9)
    assert len(list(folder.iterdir())) == 3
    own.done(1)
    assert len(list(folder.iterdir())) == 2
    own.done(20)
    assert [file.stat().st_size for file in folder.iterdir()] == [0]
    assert own.add("more")
    own.close()
    assert lines(tmp_path) == [["more"]]


def test_what_finds_no_room_is_said_and_harms_no_line_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, write = Waiting(tmp_path), os.write
    assert own.add("first")
    monkeypatch.setattr(os, "write", lambda handle, line: write(handle, line[:3]))
    assert not own.add("second")
    monkeypatch.setattr(os, "write", write)
    assert own.add("third")
    own.done(2)
    own.close()
    assert lines(tmp_path) == [["first", "third"]]  # the first is recorded twice, which is once
    monkeypatch.setattr(waiting, "_MOST_BYTES", 0)
    assert not own.add("fourth")
    monkeypatch.setattr(waiting, "_MOST_BYTES", 100)
    assert own.add("fifth")
    own.done(1)
    own.close()
    assert lines(tmp_path) == [["fifth"]]
