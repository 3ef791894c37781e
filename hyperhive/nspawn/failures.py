"""What failures on the message bus mean for those who wait for an answer."""

from __future__ import annotations

from hyperhive.protocol.errors import Unavailable


class Denied(Unavailable):
    """polkit, or the bus itself, does not let this service do it."""

    code = "denied"


class NoSuch(Unavailable):
    """There is no unit, machine or object of that name."""

    code = "no_such"


class NoAnswer(Unavailable):
    """Nothing came back, so what was asked for may have been done: read the state."""

    code = "no_answer"


class AlreadySo(Unavailable):
    """Nothing was done, since it was so before."""

    code = "already_so"


_ALREADY_SO = frozenset({"org.freedesktop.systemd1.AlreadySubscribed"})
_DENIED = frozenset(
    {
        "org.freedesktop.DBus.Error.AccessDenied",
        "org.freedesktop.DBus.Error.AuthFailed",
        "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
        "org.freedesktop.PolicyKit1.Error.NotAuthorized",
    }
)
_NO_SUCH = frozenset(
    {
        "org.freedesktop.DBus.Error.UnknownObject",
        "org.freedesktop.machine1.NoSuchMachine",
        "org.freedesktop.systemd1.NoSuchUnit",
    }
)
_NO_ANSWER = frozenset(
    {
        "org.freedesktop.DBus.Error.Disconnected",
        "org.freedesktop.DBus.Error.NoReply",
        "org.freedesktop.DBus.Error.TimedOut",
        "org.freedesktop.DBus.Error.Timeout",
    }
)
_ABSENT = frozenset(
    {
        "org.freedesktop.DBus.Error.NameHasNoOwner",
        "org.freedesktop.DBus.Error.ServiceUnknown",
    }
)


def remote_failure(what: str, name: str, text: str) -> Unavailable:
    """For an error that came over the bus; `name` is its D-Bus name, `text` its message."""
    if name in _ALREADY_SO:
        return AlreadySo(f"{what}: {text}")
    if name in _DENIED:
        return Denied(
            f"{what} was refused: {text}; check that hyperhive's polkit rule is installed "
            "and that the service runs as the user it names"
        )
    if name in _NO_SUCH:
        return NoSuch(f"{what}: {text}")
    if name in _NO_ANSWER:
        return no_answer(what)
    if name in _ABSENT:
        return Unavailable(f"{what}: the service for it is not on the bus; see `systemctl status`")
    return Unavailable(f"{what} failed: {text} ({name})")


def no_answer(what: str) -> NoAnswer:
    return NoAnswer(f"{what} was not answered in time; see `systemctl status`")


def disconnected(what: str) -> NoAnswer:
    return NoAnswer(f"{what}: the connection to the message bus was lost; it is made again")
