"""The numbers that bound what one agent can take of the host."""

from __future__ import annotations

from dataclasses import dataclass

from hyperhive.protocol.link import HEARTBEAT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one agent's socket; what goes beyond is refused, or waits in the agent's own buffers."""

    connections: int = 64
    accepts_per_second: float = 200.0
    requests_per_second: float = 1_000.0
    """Small ones; each KiB counts as one more, and parsing a body for the model by its size."""
    burst: int = 2_000
    """Requests that may come at once after a quiet time."""
    in_flight: int = 32
    """Requests of one link that are handled at the same time."""
    body_seconds: float = 30.0
    """Until the body of a POST has arrived."""
    idle_seconds: float = 75.0
    """Until a connection has sent a whole request head, its first or the next one."""
    hello_seconds: float = 10.0
    silence_seconds: float = 3 * HEARTBEAT_SECONDS
    """Without a frame the link is taken for dead: three heartbeats were missed."""
    write_seconds: float = 30.0
    """Until the agent has read enough for the next frame to leave."""
    close_seconds: float = 2.0
    """For the closing handshake of a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """Of the way to the model."""

    streams: int = 4
    """Requests of one agent under way at the same time."""
    body_bytes: int = 32 * 1024 * 1024
    """What the Messages API accepts itself."""
    body_values: int = 500_000
    """JSON values in a body: parsed, the smallest take 60 times their bytes."""
    body_seconds: float = 60.0
    connect_seconds: float = 10.0
    idle_seconds: float = 600.0
    """Between two pieces of an answer; thinking can be silent for minutes."""
    write_seconds: float = 60.0
    answer_bytes: int = 32 * 1024 * 1024
    """Of an answer that is not streamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressLimits:
    """Of the way to the network."""

    passages: int = 32
    """Tunnels and requests of one agent at the same time."""
    bytes_per_second: float = 32 * 1024 * 1024
    """Of all of them together, after as many at once: the loop that carries them is everybody's."""
    head_seconds: float = 10.0
    connect_seconds: float = 10.0
    idle_seconds: float = 900.0
    """Without a byte in either direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigLimits:
    """Of the way to the configurations."""

    transfers: int = 2
    """Packs of all agents together that are in memory at the same time, of one agent one."""
    wait_seconds: float = 20.0
    """Until there is room for one more."""
    body_seconds: float = 60.0
    write_seconds: float = 60.0
