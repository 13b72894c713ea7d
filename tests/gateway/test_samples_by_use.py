"""Samples for models that do not chat, run as printed against the real gateway: it lets all of them through."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from genai_tui.domain.catalogue import UseCase
from genai_tui.inference.samples import Language, sample
from tests.gateway.world import KEY, world


@pytest.mark.parametrize(("use", "printed"), [(UseCase.EMBEDDING, "0.25"), (UseCase.RERANK, "0.97")])
@pytest.mark.parametrize(("language", "program"), [("curl", "bash"), ("python", sys.executable)])
async def test_embeddings_and_ranks_come_through_the_gateway(
    tmp_path: Path, language: Language, program: str, use: UseCase, printed: str
) -> None:
    async with world(tmp_path) as found:
        (tmp_path / "sample").write_text(sample(language, found.url, "chat", use=use))
        process = await asyncio.create_subprocess_exec(
            program, "sample", cwd=tmp_path, env={**os.environ, "API_KEY": KEY, "NO_PROXY": "*"},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, err
        assert printed in out.decode(), (out, err)
        (row,) = await found.rows(1)
        assert row.status == "ok"
