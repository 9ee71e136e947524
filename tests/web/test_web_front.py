"""The front without a socket or a clock: when a request is whole, who is admitted, who takes a connection."""

from __future__ import annotations

import random
from itertools import pairwise
from uuid import UUID

import pytest

from cds_service.web.front.arriving import HEAD_LIMIT, Arriving, Stage
from cds_service.web.front.connection import Call, Connection
from cds_service.web.front.lanes import Lane, Turns
from cds_service.web.front.sharing import Loads
from cds_service.web.marks import Asked

MOST = 1000
HEAD = b"POST /cds-services/x HTTP/1.1\r\nHost: x\r\n"
PLAIN = HEAD + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
TRAILED = HEAD + b"transfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n"
BARE = b"GET /health?x=1 HTTP/1.1\r\nHost: x\r\n\r\n"
WHOLE = [PLAIN, CHUNKED, TRAILED, BARE, HEAD + b"Content-Length: 0\r\n\r\n"]
# What cannot be framed is handed on as it is, for the parser to refuse: nothing waits for more of it.
UNFRAMED = [
    HEAD + b"Content-Length: -5\r\n\r\n",
    HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"5" * 300,
    b"nonsense\r\n\r\n",
]


def fed(request: bytes, cuts: list[int]) -> tuple[Arriving, list[Stage]]:
    arriving = Arriving(MOST)
    edges = [0, *sorted(cuts), len(request)]
    return arriving, [arriving.feed(request[a:b]) for a, b in pairwise(edges)]


@pytest.mark.parametrize("request_", [*WHOLE, *UNFRAMED])
def test_a_request_is_whole_with_its_last_byte_however_it_comes(request_: bytes) -> None:
    chance = random.Random(1)
    for cut in range(1, len(request_)):
        arriving, stages = fed(request_, [cut])
        assert stages[-1] is Stage.WHOLE
        if request_ in WHOLE:
            assert stages[0] in (Stage.HEAD, Stage.BODY)
            assert arriving.take() == request_
            assert arriving.held == 0
    for _ in range(50):
        _, stages = fed(request_, chance.sample(range(len(request_)), 5))
        assert stages[-1] is Stage.WHOLE


@pytest.mark.parametrize("first", WHOLE)
@pytest.mark.parametrize("second", WHOLE)
def test_what_comes_behind_a_request_is_the_next(first: bytes, second: bytes) -> None:
    arriving = Arriving(MOST)
    assert arriving.feed(first + second) is Stage.WHOLE
    assert arriving.take() == first
    assert arriving.feed(b"") is Stage.WHOLE
    assert arriving.take() == second


@pytest.mark.parametrize(
    ("request_", "stage"),
    [
        (HEAD + b"Content-Length: 1000\r\n\r\n", Stage.BODY),
        (HEAD + b"Content-Length: 1001\r\n\r\n", Stage.TOO_LARGE),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n", Stage.BODY),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n", Stage.TOO_LARGE),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1001, Stage.TOO_LARGE),
        (HEAD + b"X: " + b"x" * HEAD_LIMIT, Stage.LONG_HEAD),
    ],
)
def test_what_is_kept_is_bounded(request_: bytes, stage: Stage) -> None:
    arriving = Arriving(MOST)
    assert arriving.feed(request_) is stage
    if stage is Stage.TOO_LARGE:
        arriving.feed(b"x" * MOST)
        assert arriving.held == 0


@pytest.mark.parametrize("request_", UNFRAMED[:-1])
def test_what_does_not_say_where_it_ends_ends_its_connection(request_: bytes) -> None:
    """What follows would be taken for a request of its own, and a proxy may see another one there."""
    arriving = Arriving(MOST)
    arriving.feed(request_)
    arriving.take()
    assert arriving.unframed


@pytest.mark.parametrize("request_", [*WHOLE, *UNFRAMED])
def test_who_has_sent_one_whole_request_is_at_rest(request_: bytes) -> None:
    arriving = Arriving(MOST)
    arriving.feed(request_[:-1])
    assert not arriving.at_rest
    arriving.feed(request_[-1:])
    arriving.take()
    assert arriving.at_rest is not arriving.unframed
    assert arriving.feed(b"P") is Stage.HEAD
    assert not arriving.at_rest


@pytest.mark.parametrize("request_", WHOLE)
def test_what_says_where_it_ends_does_not(request_: bytes) -> None:
    arriving = Arriving(MOST)
    arriving.feed(request_)
    arriving.take()
    assert not arriving.unframed


ID = "0B9B1B0E-8f3a-4c1e-9d59-0a5a6b7c8d9e"
NAMED = b"Origin: https://EHR.example\r\nX-Request-ID: " + ID.encode() + b"\r\n"


@pytest.mark.parametrize(
    ("sent", "method", "path", "origin"),
    [
        (BARE, "GET", "/health", ""),
        (HEAD + NAMED + b"\r\n", "POST", "/cds-services/x", "https://EHR.example"),
        (HEAD + NAMED + b"Content-Length: 1001\r\n\r\n", "POST", "/cds-services/x", "https://EHR.example"),
        (HEAD + NAMED + b"Host: no end yet", "POST", "/cds-services/x", "https://EHR.example"),
        (HEAD + b"Origin: https://EHR.exa", "POST", "/cds-services/x", ""),
        (HEAD + b"Origin: a\r\nOrigin: b\r\n\r\n", "POST", "/cds-services/x", ""),
        (b"GET http://h:1/cds%2dservices?/x HTTP/1.1\r\n\r\n", "GET", "/cds-services", ""),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS", "/", ""),
        (b"POST /cds-services x HTTP/1.1\r\n\r\n", "", "/", ""),
        (b"\x00\xff", "", "/", ""),
    ],
)
def test_what_is_asked_for_is_told_before_it_is_parsed(sent: bytes, method: str, path: str, origin: str) -> None:
    arriving = Arriving(MOST)
    arriving.feed(sent)
    asked = arriving.asked
    assert (asked.method, asked.path, asked.origin) == (method, path, origin)
    assert asked.id == (ID.lower() if ID.encode() in sent else str(UUID(asked.id)))
    assert asked is arriving.asked


def test_a_client_that_waits_for_the_word_to_go_on() -> None:
    asking = Arriving(MOST)
    assert asking.feed(HEAD + b"Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n") is Stage.BODY
    assert asking.continues


def test_no_more_in_work_and_in_wait_than_there_is_room_for() -> None:
    lane: Lane[int] = Lane(slots=2, room=3, patience=0.75, turns=Turns())
    begun = []
    admitted = []
    for call in range(7):
        if lane.offer(call, now=0.0):
            admitted.append(call)
        while (next_ := lane.begin(0.0)) is not None:
            lane.working[next_] = 4.0
            begun.append(next_)
    assert (admitted, begun) == ([0, 1, 2, 3, 4], [0, 1])
    del lane.working[0]
    assert lane.begin(0.0) == 2


def test_who_waits_too_long_and_what_takes_too_long_is_told() -> None:
    lane: Lane[str] = Lane(slots=1, room=3, patience=0.75, turns=Turns())
    for call, now in (("works", 0.0), ("waits", 0.1), ("waits less", 0.5)):
        assert lane.offer(call, now)
    assert lane.begin(0.0) == "works"
    lane.working["works"] = 4.0
    assert lane.impatient(0.8) == []
    assert lane.impatient(0.9) == ["waits"]
    assert lane.overdue(3.9) == []
    assert lane.begin(0.0) is None
    assert lane.overdue(4.0) == ["works"]
    assert lane.begin(0.0) == "waits less"  # what never ends keeps nobody from a turn


def test_who_would_wait_too_long_is_told_at_once() -> None:
    lane: Lane[int] = Lane(slots=1, room=100, patience=1.0, turns=Turns())
    assert all(lane.offer(call, 0.0) for call in range(20))  # how long they take was not seen yet
    lane.working[lane.begin(0.0) or 0] = 9.0
    for call in range(1, 20):
        lane.working.clear()
        assert lane.begin(call * 0.1) == call
        lane.working[call] = 9.0
    assert 0.08 < lane.pace < 0.1
    assert [lane.offer(call, 2.0) for call in range(7)] == [True] * 5 + [False] * 2
    lane.waiting.clear()
    lane.pace = 60.0  # who is alone waits for one turn, however long that is: else nobody would see it end
    assert [lane.offer(call, 2.0) for call in range(2)] == [True, False]


def test_only_turns_that_somebody_waited_for_make_the_pace() -> None:
    lane: Lane[int] = Lane(slots=1, room=9, patience=1.0, turns=Turns())
    for call in range(5):
        assert lane.offer(call, call * 60.0)
        assert lane.begin(call * 60.0) == call
        lane.working.clear()
    assert lane.pace == 0.0


def test_a_call_that_waits_for_a_server_leaves_its_turn_to_another() -> None:
    turns = Turns()
    woken = []
    turns.wake = lambda: woken.append(turns.away)
    lane: Lane[str] = Lane(slots=1, room=3, patience=0.75, turns=turns)
    for call in ("reads", "computes"):
        lane.offer(call, 0.0)
    lane.working[lane.begin(0.0) or ""] = 4.0
    assert lane.begin(0.0) is None
    with turns.waiting():
        assert lane.begin(0.0) == "computes"
    assert (turns.away, woken) == (0, [1])


def test_an_answer_is_given_once() -> None:
    connection: Connection = None  # type: ignore[assignment] # nothing is sent
    call = Call(connection, Asked("GET", "/", "", ""), b"", 0.0)
    call.sendall(b"a")
    call.sendall(memoryview(b"b"))
    assert call.answer() == b"ab"
    assert [call.claim(), call.claim()] == [True, False]


def test_who_has_less_takes_the_next_connection_and_who_is_gone_does_not_count() -> None:
    loads = Loads(3)
    loads.tell(0, 1)
    assert not loads.others_have_less(0)
    loads.tell(1, 0)
    assert loads.others_have_less(0)
    assert not loads.others_have_less(1)
    loads.leave(1)
    assert not loads.others_have_less(0)
