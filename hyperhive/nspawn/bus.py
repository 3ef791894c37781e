"""One connection to a message bus: a thread owns GLib's loop, asyncio gets answers and signals.

Nothing here blocks the event loop, and only this module knows pydbus and gi. pydbus's own proxies
are not used: they introspect (6 ms), block, wait without end and cannot return file descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gi.repository import Gio, GLib
from pydbus.bus import Bus

from hyperhive.nspawn.failures import disconnected, no_answer, remote_failure
from hyperhive.nspawn.pending import Pending
from hyperhive.protocol.errors import Unavailable

T = TypeVar("T")

CALL_SECONDS = 5.0
AT_ONCE = 64
"""Calls that wait for an answer; dbus-daemon refuses more than 128 (max_replies_per_connection)."""
_GRACE = 1.0
"""Seconds for GLib to report its own time-out before the wait for it is given up."""
_JOIN_SECONDS = 5.0
_CLIENT = (
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
)


@dataclass(frozen=True, slots=True)
class Remote:
    """One interface of one object of one service."""

    service: str
    path: str
    interface: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Which signals to hear. `path_prefix` is compared here, all else by the bus."""

    service: str
    interface: str
    member: str
    first_argument: str | None = None
    path_prefix: str = "/"


OnSignal = Callable[[str, tuple[Any, ...]], None]
"""Gets the object's path and the arguments, on the loop."""


def system_bus_address() -> str:
    """As DBUS_SYSTEM_BUS_ADDRESS has it, or the usual socket."""
    return str(Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None))


class GLibThread:
    """Runs what is posted, in order, together with the callbacks of all that was begun in it."""

    def __init__(self) -> None:
        self._context = GLib.MainContext.new()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="glib", daemon=True)
        self._thread.start()

    def post(self, act: Callable[[], object]) -> None:
        source = GLib.idle_source_new()
        source.set_priority(GLib.PRIORITY_DEFAULT)
        source.set_callback(lambda _: act() and False)
        source.attach(self._context)

    def _run(self) -> None:
        # Callbacks of what is begun here come to this context, not to the process's own.
        self._context.push_thread_default()
        while not self._over:
            self._context.iteration(True)
        self._context.pop_thread_default()

    async def close(self) -> None:
        def end() -> None:
            self._over = True

        self.post(end)
        await asyncio.to_thread(self._thread.join, _JOIN_SECONDS)


class Connection:
    """To be closed by whoever opened it; `lost` is set on the loop when the far side is gone."""

    def __init__(self, thread: GLibThread) -> None:
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._gio: Any = None
        self._room = asyncio.Semaphore(AT_ONCE)
        self.lost = asyncio.Event()

    @classmethod
    async def open(cls, thread: GLibThread, address: str, timeout: float) -> Connection:
        """Raises Unavailable."""
        made = cls(thread)

        def begin(cancellable: Any, done: Any) -> None:
            Gio.DBusConnection.new_for_address(address, _CLIENT, None, cancellable, done)

        def finish(_: Any, result: Any) -> Any:
            connection = Gio.DBusConnection.new_for_address_finish(result)
            # Here, in GLib's thread: a signal comes to the thread that asked for it.
            connection.connect("closed", lambda *_: made._post_to_loop(made.lost.set))
            return connection

        pending = Pending[Any](f"connecting to {address}", lambda late: late.close(None, None))
        made._gio = await _wait(thread, pending, begin, finish, timeout)
        return made

    async def call(
        self,
        remote: Remote,
        method: str,
        arguments: tuple[str, tuple[Any, ...]],
        reply: str,
        timeout: float = CALL_SECONDS,
    ) -> tuple[Any, ...]:
        """`arguments` are a signature and values, `reply` is the signature that must come back.

        Raises Denied, NoSuch, NoAnswer, or Unavailable for any other failure.
        """
        begin = self._message(remote, method, arguments, reply, timeout)
        pending = Pending[tuple[Any, ...]](method, _forget)
        async with self._room:
            return await _wait(self._thread, pending, begin, _values, timeout)

    async def call_for_descriptors(
        self,
        remote: Remote,
        method: str,
        arguments: tuple[str, tuple[Any, ...]],
        reply: str,
        timeout: float = CALL_SECONDS,
    ) -> tuple[tuple[Any, ...], list[int]]:
        """`call`, and the file descriptors that came along, now the caller's.

        They are closed when the caller has gone by then.
        """
        begin = self._message(remote, method, arguments, reply, timeout)
        pending = Pending[tuple[tuple[Any, ...], list[int]]](method, _close_descriptors)
        async with self._room:
            return await _wait(self._thread, pending, begin, _values_and_descriptors, timeout)

    def _message(
        self,
        remote: Remote,
        method: str,
        arguments: tuple[str, tuple[Any, ...]],
        reply: str,
        timeout: float,
    ) -> Callable[[Any, Any], None]:
        def begin(cancellable: Any, done: Any) -> None:
            self._gio.call_with_unix_fd_list(
                *(remote.service, remote.path, remote.interface, method),
                *(GLib.Variant(*arguments), GLib.VariantType.new(reply)),
                *(Gio.DBusCallFlags.NONE, max(1, round(timeout * 1000)), None),
                *(cancellable, done),
            )

        return begin

    def subscribe(self, signal: Signal, listener: OnSignal) -> Callable[[], None]:
        """Ahead of every later call on this connection; returns the way to stop."""
        subscriptions: list[Any] = []
        wanted = True

        def listen(path: str, values: tuple[Any, ...]) -> None:
            if wanted:
                listener(path, values)

        def fired(_: str, path: str, interface: str, member: str, values: Any) -> None:
            if path.startswith(signal.path_prefix):
                self._post_to_loop(listen, path, values)

        def begin() -> None:
            # Not `self._gio.pydbus`, which sets an attribute, for which PyGObject takes toggle
            # references: with them the whole process was seen, now and then, to stand still.
            bus = Bus(self._gio)
            match = (signal.service, signal.interface, signal.member, None, signal.first_argument)
            subscriptions.append(bus.subscribe(*match, signal_fired=fired))

        def end() -> None:
            nonlocal wanted
            wanted = False
            self._thread.post(lambda: subscriptions.pop().unsubscribe())

        self._thread.post(begin)
        return end

    def _post_to_loop(self, act: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(act, *arguments)

    async def close(self) -> None:
        """What still waits for an answer gets NoAnswer."""

        def begin(cancellable: Any, done: Any) -> None:
            self._gio.close(cancellable, done)

        with contextlib.suppress(Unavailable):  # it is closed already
            pending = Pending[object]("closing", _forget)
            await _wait(self._thread, pending, begin, lambda gio, r: gio.close_finish(r), _GRACE)


async def _wait(
    thread: GLibThread,
    pending: Pending[T],
    begin: Callable[[Any, Any], None],
    finish: Callable[[Any, Any], T],
    timeout: float,
) -> T:
    """Run one of GLib's asynchronous operations (Gio.AsyncReadyCallback) in its thread."""
    cancellable = Gio.Cancellable()

    def done(source: Any, result: Any) -> None:
        try:
            value = finish(source, result)
        except Exception as error:
            pending.fail(_typed(error, pending.what))
        else:
            pending.deliver(value)

    def start() -> None:
        try:
            begin(cancellable, done)
        except Exception as error:
            pending.fail(_typed(error, pending.what))

    thread.post(start)
    # There, too: in the loop's thread it could wait for a reply that is being delivered.
    return await pending.wait(timeout + _GRACE, lambda: thread.post(cancellable.cancel))


def _values(connection: Any, result: Any) -> tuple[Any, ...]:
    # Descriptors that nobody asked for are closed by GLib.
    return tuple(connection.call_with_unix_fd_list_finish(result)[0].unpack())


def _values_and_descriptors(connection: Any, result: Any) -> tuple[tuple[Any, ...], list[int]]:
    answer, descriptors = connection.call_with_unix_fd_list_finish(result)
    return tuple(answer.unpack()), list(descriptors.steal_fds()) if descriptors else []


def _forget(_: object) -> None:
    pass


def _close_descriptors(answer: tuple[object, list[int]]) -> None:
    for descriptor in answer[1]:
        os.close(descriptor)


def _typed(error: Exception, what: str) -> Exception:
    if not isinstance(error, GLib.Error):
        return error
    if name := Gio.DBusError.get_remote_error(error):
        return remote_failure(what, name, error.message.removeprefix(f"GDBus.Error:{name}: "))
    if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.TIMED_OUT):
        return no_answer(what)
    if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CLOSED):
        return disconnected(what)
    return Unavailable(f"{what} failed: {error.message}")
