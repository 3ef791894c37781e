"""What a request or a deploy would change, as plain data for people to decide by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hyperhive.hive import privileges
from hyperhive.hive.approval_digest import binding_digest
from hyperhive.hive.change_rows import Changes, CommitInfo, FileChange
from hyperhive.hive.clock import iso
from hyperhive.hive.comparisons import Base, Comparison, deploy_of, of_approval, of_deploy
from hyperhive.hive.deploy_views import deploy_view
from hyperhive.hive.hive import Hive
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import Approval
from hyperhive.hive.views import approval_view
from hyperhive.protocol.errors import HiveError, InvalidField, NotFound

View = dict[str, Any]

COMMITS_READ, COMMITS_SHOWN = 200, 50
MESSAGE_SHOWN = 4_000
"""Characters of a commit's message, if not the whole is wanted."""


async def show(hive: Hive, approval_id: int, *, base: str = "running", whole: bool = False) -> View:
    """All that there is to see of a request. Why a part of it is not there is in `problem`.

    Raises NotFound; InvalidField for a base that there is not.
    """

    def find(tx: Transaction) -> tuple[Approval, View | None, Comparison]:
        if (approval := tx.approvals.get(approval_id)) is None:
            raise NotFound(f"there is no approval {approval_id}")
        deploy = deploy_of(tx, approval)
        comparison = of_approval(tx, approval)
        if approval.kind == "spawn" and approval.state == "pending" and comparison.commit is None:
            comparison = replace(comparison, after=hive.policy.spawned.settings)
        return approval, deploy_view(deploy) if deploy else None, comparison

    approval, deploy, comparison = await hive.store.read(find)
    return {
        "approval": approval_view(approval),
        "deploy": deploy,
        **await _compared(hive, comparison, _chosen(comparison, base), whole),
        **_bound(approval),
        "seen": binding_digest(approval),
    }


async def show_deploy(hive: Hive, deploy_id: int, *, whole: bool = False) -> View:
    """The same of a deploy, whether somebody approved it or not. Raises NotFound."""

    def find(tx: Transaction) -> tuple[View, Approval | None, Comparison]:
        if (deploy := tx.deploys.get(deploy_id)) is None:
            raise NotFound(f"there is no deploy {deploy_id}")
        approval = tx.approvals.get(deploy.approval_id) if deploy.approval_id else None
        return deploy_view(deploy), approval, of_deploy(tx, deploy)

    deploy, approval, comparison = await hive.store.read(find)
    return {
        "approval": approval_view(approval) if approval else None,
        "deploy": deploy,
        **await _compared(hive, comparison, comparison.bases[0], whole),
        **_bound(approval),
        "seen": binding_digest(approval) if approval else None,
    }


async def show_either(hive: Hive, number: int, *, base: str = "running", whole: bool) -> View:
    """A request or a deploy, which share their numbers. Raises NotFound, InvalidField."""

    def find(tx: Transaction) -> bool:
        if tx.approvals.get(number) is not None:
            return True
        if tx.deploys.get(number) is not None:
            return False
        raise NotFound(f"there is no approval and no deploy {number}")

    if await hive.store.read(find):
        return await show(hive, number, base=base, whole=whole)
    if base != "running":
        raise InvalidField("base", "a deploy that nobody asked for is compared with what ran")
    return await show_deploy(hive, number, whole=whole)


def _chosen(comparison: Comparison, which: str) -> Base:
    for base in comparison.bases:
        if base.which == which:
            return base
    known = ", ".join(base.which for base in comparison.bases)
    raise InvalidField("base", f"there is none that is {which!r} here; there is {known}")


def _bound(approval: Approval | None) -> View:
    """What the check of a request has found."""
    binding = approval.binding if approval else {}
    return {"warnings": binding.get("warnings", []), "closure": binding.get("closure")}


async def _compared(hive: Hive, comparison: Comparison, base: Base, whole: bool) -> View:
    looked = _Looked()
    if comparison.commit is not None:
        looked = await _look(hive, comparison.agent, base.commit, comparison.commit, whole)
    commits = looked.commits[:COMMITS_SHOWN]
    after = comparison.after
    return {
        "base": {
            "which": base.which,
            "commit": base.commit,
            "choices": [asdict(choice) for choice in comparison.choices],
        },
        "commit": comparison.commit,
        "commits": [_commit_view(commit, whole) for commit in commits],
        "more_commits": len(looked.commits) - len(commits),
        "changes": _changes_view(looked.changes) if looked.changes else None,
        "privileges": None
        if after is None
        else [asdict(one) for one in privileges.compare(comparison.before, after)],
        "problem": looked.problem,
    }


@dataclass(frozen=True, slots=True)
class _Looked:
    """What git says; `problem` is why it does not."""

    commits: Sequence[CommitInfo] = ()
    changes: Changes | None = None
    problem: str = ""


async def _look(hive: Hive, agent: str, base: str | None, commit: str, whole: bool) -> _Looked:
    try:
        configs = hive.need_deploying().configs
        changes = await configs.changes(agent, base, commit, whole=whole)
    except HiveError as error:
        return _Looked(problem=error.message)
    try:
        commits = await configs.history(agent, commit, base, COMMITS_READ)
    except HiveError as error:
        return _Looked((), changes, error.message)
    return _Looked(commits, changes)


def _commit_view(commit: CommitInfo, whole: bool) -> View:
    message = commit.message
    if not whole and len(message) > MESSAGE_SHOWN:
        more = len(message) - MESSAGE_SHOWN
        message = f"{message[:MESSAGE_SHOWN]}… ({more} more characters)"
    return {"id": commit.id, "author": commit.author, "at": iso(commit.at), "message": message}


def _changes_view(changes: Changes) -> View:
    return {
        "files": [_file_view(file) for file in changes.files],
        "hidden_files": changes.hidden_files,
        "complete": changes.complete,
    }


def _file_view(file: FileChange) -> View:
    return {
        "path": file.path,
        "kind": file.kind,
        "old_path": file.old_path,
        "old_mode": file.old_mode,
        "new_mode": file.new_mode,
        "old_size": file.old_size,
        "new_size": file.new_size,
        "note": file.note,
        "hidden": file.hidden,
        "lines": [
            {"kind": line.kind, "text": line.text, "old": line.old, "new": line.new}
            for line in file.lines
        ],
    }
