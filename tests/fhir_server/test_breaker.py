"""What one FHIR server may cost: by its origin, by the share of silence, with a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cds_service.chart.breaker import LEAST, WINDOW_S, Breaker

EHR = ("https", "ehr.example.org", 443)
OTHER = ("https", "other.example.org", 443)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(rest_s=5, most=3, clock=clock)


def told(breaker: Breaker, heard: int, silent: int) -> None:
    assert breaker.enter(EHR) == ""
    breaker.leave(EHR, heard, silent)


@pytest.mark.parametrize(
    ("heard", "silent", "rests"),
    [
        (0, LEAST, True),
        (LEAST // 2, LEAST - LEAST // 2, True),
        (LEAST, LEAST - 1, False),
        (0, LEAST - 1, False),
        (10 * LEAST, 0, False),
        (0, 0, False),
    ],
)
def test_a_rest_begins_by_the_share_of_silence(breaker: Breaker, heard: int, silent: int, rests: bool) -> None:
    told(breaker, heard, silent)
    assert bool(breaker.enter(EHR)) is rests
    assert breaker.enter(OTHER) == ""


def test_an_answer_between_does_not_hide_the_silence(breaker: Breaker) -> None:
    for _ in range(LEAST):
        if breaker.enter(EHR):
            break
        breaker.leave(EHR, 1, 2)
    assert "did not answer" in breaker.enter(EHR)


def test_silence_is_forgotten_in_time(breaker: Breaker, clock: Clock) -> None:
    told(breaker, 0, LEAST - 1)
    clock.now += WINDOW_S + 1
    told(breaker, 0, LEAST - 1)
    assert breaker.enter(EHR) == ""


@pytest.mark.parametrize(("heard", "silent", "back"), [(1, 0, True), (0, 1, False), (3, 1, True), (1, 3, False)])
def test_after_a_rest_one_call_tries(breaker: Breaker, clock: Clock, heard: int, silent: int, back: bool) -> None:
    told(breaker, 0, LEAST)
    clock.now += 5
    assert breaker.enter(EHR) == ""
    assert "did not answer" in breaker.enter(EHR)  # the others wait for what it finds
    breaker.leave(EHR, heard, silent)
    assert (breaker.enter(EHR) == "") is back


def test_so_many_calls_read_at_once_and_no_more(breaker: Breaker) -> None:
    assert [breaker.enter(EHR) for _ in range(3)] == ["", "", ""]
    assert breaker.enter(EHR) == "FHIR server: already read by 3 calls here, not asked by one more"
    assert breaker.enter(OTHER) == ""
    breaker.leave(EHR, 1, 0)
    assert breaker.enter(EHR) == ""


def test_what_is_remembered_is_bounded_and_those_in_use_stay(breaker: Breaker) -> None:
    assert [breaker.enter(EHR) for _ in range(3)] == ["", "", ""]
    for number in range(1000):
        origin = ("https", f"h{number}.example.org", 443)
        assert breaker.enter(origin) == ""
        breaker.leave(origin, 0, 1)
    assert len(breaker._servers) <= 256
    assert "already read" in breaker.enter(EHR)
