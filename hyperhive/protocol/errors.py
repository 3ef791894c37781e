"""The errors that cross a border: one tree, each class knowing its word and its HTTP status.

HiveError
 |- InvalidField        invalid_field    400  a field of a request, form or file is wrong
 |- InvalidFrame        invalid_frame    400  the bytes are not acceptable JSON
 |- Unauthenticated     unauthenticated  401  no valid login
 |- PolicyRefused       policy_refused   402  a model request that the host does not allow
 |   `- BudgetExhausted  budget_exhausted 402
 |- Forbidden           forbidden        403  not yours, or not there: one answer
 |- NotFound            not_found        404  only ever shown to the operator
 |- Conflict            conflict         409  a used key, or a state that forbids it
 |- AlreadyResolved     already_resolved 409  it was settled before
 |- LoopDetected        loop             409  too many replies between agents
 |- LeaseExpired        lease_expired    410  the lease ended before it was settled
 |- TooLarge            too_large        413
 |- BuildFailed         build_failed     422  a configuration did not evaluate or build; `reason`
 |- Unsupported         unsupported      426  another protocol version
 |- QueueFull           queue_full       429  the recipient has too much undelivered mail
 |- RateLimited         rate_limited     429  too many requests; `retry_after` in seconds
 |- Unavailable         unavailable      503  a part this depends on is not there now
 |- Busy                busy             503  the database is locked by another process
 |- StorageError        storage_error    503  the database cannot be trusted to have written
 `- StorageFull         storage_full     507  no space left on the device
"""

from __future__ import annotations

from typing import ClassVar


class HiveError(Exception):
    """Base of every error that a surface turns into an answer."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def details(self) -> dict[str, object]:
        """Further JSON values of this kind of error."""
        return {}

    def to_json(self) -> dict[str, object]:
        return {"code": self.code, "message": self.message, **self.details()}


class InvalidField(HiveError):
    """A field is wrong; `field` is its dotted path, e.g. `agents.alice.model`."""

    code = "invalid_field"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def details(self) -> dict[str, object]:
        return {"field": self.field}

    def within(self, prefix: str) -> InvalidField:
        """The same error seen from the document that contains the field."""
        return InvalidField(f"{prefix}.{self.field}" if self.field else prefix, self.problem)


class InvalidFrame(HiveError):
    code = "invalid_frame"


class Unauthenticated(HiveError):
    code = "unauthenticated"
    status = 401


class PolicyRefused(HiveError):
    """402, since Claude Code shows it as it is, at once and without retries."""

    code = "policy_refused"
    status = 402


class BudgetExhausted(PolicyRefused):
    code = "budget_exhausted"


class Forbidden(HiveError):
    """One text for all causes, so that an agent cannot find out what exists."""

    code = "forbidden"
    status = 403

    def __init__(self, message: str = "not allowed, or there is no such thing") -> None:
        super().__init__(message)


class NotFound(HiveError):
    code = "not_found"
    status = 404


class Conflict(HiveError):
    code = "conflict"
    status = 409


class AlreadyResolved(HiveError):
    """Somebody settled it first; `resolution` is the state it is in."""

    code = "already_resolved"
    status = 409

    def __init__(self, message: str, resolution: str) -> None:
        super().__init__(message)
        self.resolution = resolution

    def details(self) -> dict[str, object]:
        return {"resolution": self.resolution}


class LoopDetected(HiveError):
    code = "loop"
    status = 409


class LeaseExpired(HiveError):
    code = "lease_expired"
    status = 410


class TooLarge(HiveError):
    code = "too_large"
    status = 413


class BuildFailed(HiveError):
    """A configuration came to nothing; `reason` is a word of `protocol.builds`, the text a log."""

    code = "build_failed"
    status = 422

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def details(self) -> dict[str, object]:
        return {"reason": self.reason}


class Unsupported(HiveError):
    code = "unsupported"
    status = 426


class QueueFull(HiveError):
    code = "queue_full"
    status = 429


class RateLimited(HiveError):
    code = "rate_limited"
    status = 429

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def details(self) -> dict[str, object]:
        return {"retry_after": self.retry_after}


class Unavailable(HiveError):
    code = "unavailable"
    status = 503


class Busy(HiveError):
    code = "busy"
    status = 503


class StorageError(HiveError):
    code = "storage_error"
    status = 503


class StorageFull(HiveError):
    code = "storage_full"
    status = 507


class RemoteError(HiveError):
    """An error as received from the other side, with that side's word for it."""

    def __init__(self, code: str, message: str, details: dict[str, object]) -> None:
        super().__init__(message)
        self.remote_code = code
        self._details = details

    def details(self) -> dict[str, object]:
        return self._details

    def to_json(self) -> dict[str, object]:
        return {**self._details, "code": self.remote_code, "message": self.message}


def from_json(error: object) -> RemoteError:
    """Rebuild an error from its JSON form; anything malformed becomes a plain `error`."""
    if not isinstance(error, dict):
        return RemoteError("error", "malformed error", {})
    details = {k: v for k, v in error.items() if k not in ("code", "message")}
    return RemoteError(str(error.get("code", "error")), str(error.get("message", "")), details)
