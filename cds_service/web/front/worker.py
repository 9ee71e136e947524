"""gunicorn's worker process, as one loop over all its sockets and a few threads that only ever compute.

The loop gathers requests, admits them or says at once that there is no room, and sends answers: a client that is slow,
in whatever it does, holds no thread. It also answers in place of a thread that does not in time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import sys
import time
from collections import deque
from typing import Any, Final

from gunicorn.http import errors as http_errors
from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser
from gunicorn.workers.base import Worker as BaseWorker

from cds_service.web import marks
from cds_service.web.front import ANSWER_BY, WATCHED
from cds_service.web.front.connection import Call, Connection
from cds_service.web.front.crew import Crew
from cds_service.web.front.lanes import Lane, Turns
from cds_service.web.front.sockets import Sockets
from cds_service.web.front.words import Refusals

log = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 4.0
WAIT_SECONDS: Final = 0.8
"""How long a call waits for its turn before it is told that there is no room; at once, where half of it is expected."""
_SWITCH_SECONDS: Final = 0.0005
"""How long a thread that computes may keep the interpreter from the loop, which asks for it back at each system call.
With Python's 5 ms, the loop takes a connection in 5 to 10 ms while calls are in work, and refusals come late."""
_TELL_EVERY: Final = 5.0


class Worker(BaseWorker):  # type: ignore[misc] # gunicorn has no types
    """`app`, a `Server`, has what the workers share: settings, `turns` and `loads`. `slot` is set before the fork."""

    slot = 0

    def run(self) -> None:
        """Serve until told to stop; then end what is in work."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        settings = self.app.settings
        turns: Turns = self.app.turns
        self._work_lane: Lane[Call] = Lane(settings.threads, settings.queue, WAIT_SECONDS, turns)
        self._watch_lane: Lane[Call] = Lane(2, 64, ANSWER_SECONDS, Turns())
        self._crew = Crew(self._work)
        self._finished: deque[tuple[Call, bytes | None, bool]] = deque()
        self._lost: dict[Call, float] = {}
        self._refusals = Refusals(marks.of(self.wsgi), self.app.refused)
        self._notified = self._told = 0.0
        self._sockets = Sockets(
            self.sockets, self.app.loads, self.slot, settings.max_body_bytes, self._admit, self._refusals
        )
        self._sockets.poll.register(self.PIPE[0], selectors.EVENT_READ, self._woken)
        turns.wake = self._wake
        while self.alive:
            self._turn()
        self._sockets.stop_listening()
        until = time.monotonic() + self.cfg.graceful_timeout
        while self._sockets.connections and time.monotonic() < until:
            self._turn()

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """Ctrl-C ends calls in progress first, like SIGTERM."""
        self.handle_exit(sig, frame)

    def _turn(self) -> None:
        now = self._sockets.turn()
        if now is None:
            return
        if now - self._notified >= 1.0:
            self._notified = now
            self.notify()
            if self.ppid != os.getppid():
                self.alive = False
        for lane in (self._work_lane, self._watch_lane):
            for call in lane.impatient(now):
                self._refuse(call)
            for call in lane.overdue(now):
                self._answer_late(call)
        self._begin()
        self._tell(now)

    # ------------------------------------------------------------ in and out

    def _admit(self, connection: Connection) -> None:
        now = time.monotonic()
        asked = connection.arriving.asked
        lane = self._watch_lane if asked.path in WATCHED else self._work_lane
        call = Call(connection, asked, connection.arriving.take(), now + ANSWER_SECONDS)
        if lane.offer(call, now):
            self._begin()
        else:
            self._refuse(call)

    def _begin(self) -> None:
        for lane in (self._watch_lane, self._work_lane):
            while (call := lane.begin(time.monotonic())) is not None:
                lane.working[call] = call.answer_by
                self._crew.put(call)

    def _refuse(self, call: Call) -> None:
        self._sockets.finish(call.connection, self._refusals.no_room(call.asked))

    def _answer_late(self, call: Call) -> None:
        """Answer in place of a thread. If its call never ends, this process is given up."""
        self._lost[call] = call.answer_by - ANSWER_SECONDS
        if call.claim():
            self._sockets.finish(call.connection, self._refusals.too_late(call.asked))

    def _woken(self, _: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.PIPE[0], 4096)
        while self._finished:
            call, rest, keep = self._finished.popleft()
            for lane in (self._work_lane, self._watch_lane):
                lane.working.pop(call, None)
            self._lost.pop(call, None)
            if rest is not None:
                self._sockets.finish(call.connection, rest, keep)
        self._begin()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes too
            os.write(self.PIPE[1], b".")

    def _tell(self, now: float) -> None:
        if now - self._told >= _TELL_EVERY:
            self._told = now
            if told := self._refusals.told():
                log.warning("requests refused: %s", told)
        if self.alive and any(now - begun > self.app.settings.timeout for begun in self._lost.values()):
            log.error("a call is in work for more than %d s: this worker is replaced", self.app.settings.timeout)
            self.alive = False

    # ------------------------------------------------------------ in a thread

    def _work(self, call: Call) -> None:
        """Answer one call, and send what the client's socket has room for."""
        keep = False
        try:
            keep = self._answer(call)
            answer = call.answer()
        except Exception as error:
            answer = self._refusals.unreadable(error, call.asked)
        rest: bytes | None = None
        if call.claim():
            try:
                rest = call.connection.send(answer)
            except OSError:
                rest, keep = b"", False
        self._finished.append((call, rest, keep))
        self._wake()

    def _answer(self, call: Call) -> bool:
        """Run the application; whether the connection may stay open."""
        connection = call.connection
        parser = RequestParser(self.cfg, [call.request], connection.peer)
        try:
            request = next(parser)
        except StopIteration:
            raise http_errors.NoMoreData() from None
        response, environ = wsgi.create(request, call, connection.peer, connection.local, self.cfg)
        environ["wsgi.multithread"] = True
        environ[ANSWER_BY] = call.answer_by
        environ["HTTP_X_REQUEST_ID"] = call.asked.id  # whoever answers, and in each line of the log
        if not self.alive or connection.arriving.unframed:
            response.force_close()
        pieces = self.wsgi(environ, response.start_response)
        try:
            for piece in pieces:
                response.write(piece)
            response.close()
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        return not response.should_close()
