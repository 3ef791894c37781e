"""An fsync that fails once: that batch is not acknowledged, and nothing is written after it."""

import os
import shutil
from pathlib import Path

import pytest

from tests.store.acked import Acked, writing

pytestmark = pytest.mark.root


@pytest.mark.skipif(not shutil.which("strace"), reason="not run: no program strace on PATH")
async def test_a_failed_fsync_is_not_tried_again_as_if_it_were_good(path: Path) -> None:
    acked = Acked()
    inject = "inject=fdatasync,fsync:error=EIO:when=60"
    quiet = ("strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fdatasync,fsync", "-e", inject)
    with writing(path, acked, seconds=3.0, under=quiet) as writer:
        writer.wait()
    assert writer.process.returncode == 0, "it ended by itself"
    assert acked.sent
    assert acked.failures
    assert all(
        failure.startswith("storage_error ") and "nothing is written until a restart" in failure
        for failure in acked.failures
    )
    assert await acked.lost(path) == []
