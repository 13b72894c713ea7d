"""A cluster on a real TLS socket, and a connection to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from tests.sandbox.serving import Served


@pytest.fixture
async def connection(cluster: Served) -> AsyncIterator[Connection]:
    async with Connection(resolve(str(cluster.kubeconfig()), None)) as opened:
        yield opened
