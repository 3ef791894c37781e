"""`request_apply_commit` as a model calls it: the commit goes to the host before the request."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from hyperhive.harness.clones import Clones
from hyperhive.harness.requests import Caller
from hyperhive.protocol.errors import RemoteError

log = logging.getLogger(__name__)

PROPOSAL = "request_apply_commit"


class ProposingCaller:
    """Another caller's way to the host, on which a commit that is named goes along.

    `patience` is how many seconds the commit may wait for a host that is away.
    """

    def __init__(self, caller: Caller, clones: Clones, patience: float) -> None:
        self._caller = caller
        self._clones = clones
        self._patience = patience

    def fill_in(self) -> Mapping[str, object]:
        return self._caller.fill_in()

    async def call(self, verb: str, args: Mapping[str, object]) -> object:
        if verb != PROPOSAL:
            return await self._caller.call(verb, args)
        answer = await self._propose(args)
        await self._clones.keep_in_step()
        return answer

    async def _propose(self, args: Mapping[str, object]) -> object:
        agent, ref = str(args["agent"]), str(args["commit_ref"])
        prepared = await self._clones.prepare(agent, ref, self._patience)
        full = {**args, "commit_ref": prepared.commit}
        try:
            answer = await self._caller.call(PROPOSAL, full)
        except RemoteError as error:
            if error.remote_code != "not_found":
                raise
            log.info("the host does not have %s any more: it is sent once more", prepared.commit)
            await self._clones.prepare(agent, prepared.commit, self._patience, anew=True)
            answer = await self._caller.call(PROPOSAL, full)
        if isinstance(answer, dict) and prepared.notes:
            return {**answer, "note": "; ".join(prepared.notes)}
        return answer
