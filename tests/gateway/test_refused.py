"""What the gateway refuses is in the ledger with who and why, counts nowhere else, and cannot fill the disk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from genai_tui.domain.refusals import Refusal
from genai_tui.domain.usage import Dimension
from genai_tui.errors import GenaiTuiError
from genai_tui.gateway.refused import Refusals
from genai_tui.metering.refusals import KEPT, RefusalRows
from tests.gateway.test_gateway import ASKED, limited
from tests.gateway.world import CHAT, World, deployment, key, world

EVER = datetime(2020, 1, 1, tzinfo=UTC)


async def kept(it: World) -> list[tuple[int, int, str, str, str]]:
    await it.refusals.flush()
    found = await RefusalRows(it.ledger).recent(EVER)
    return sorted((r.status, r.count, f"{r.namespace}/{r.deployment}", r.key, r.code) for r in found)


async def test_each_refusal_says_who_what_and_why(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.client() as alice, it.client("sk-genai-eve") as eve, it.client(None) as nobody:
        it.gateway.keyring.put("two", key("sk-genai-eve", id="k-2", organization="org-b", user="eve"))
        it.put(limited(user={"requestsPerMinute": 1}))
        asked = [(await alice.post("/v1/chat/completions", json=ASKED)).status_code for _ in range(3)]
        assert asked == [200, 429, 429]
        assert (await eve.post("/v1/chat/completions", json=ASKED)).status_code == 403
        misplaced = await eve.post("/v1/chat/completions", json=ASKED | {"model": "sk-genai-0123456789abcdef"})
        assert misplaced.status_code == 404
        assert (await eve.post("/v1/chat/completions", content=b"{")).status_code == 400
        for _ in range(300):
            assert (await nobody.post("/v1/chat/completions", json=ASKED)).status_code == 401
        assert (await nobody.get("/v1/models")).status_code == 401
        found = await kept(it)
        assert [row for row in found if row[0] != 400] == [
            (401, 301, "/", "", "invalid_api_key"),
            (403, 1, "team-a/chat", "k-2", "not_allowed"),
            (404, 1, "/", "k-2", "model_not_found"),
            (429, 2, "team-a/chat", "k-1", "rate_limit_exceeded"),
        ]
        limit, *_ = await RefusalRows(it.ledger).recent(EVER, ref=CHAT)
        assert (limit.who, limit.organization) in (("alice (org-a)", "org-a"), ("eve (org-b)", "org-b"))
        everything = repr(await RefusalRows(it.ledger).recent(EVER))
        assert "sk-genai" not in everything, "a key that was put in the wrong place"
        reasons = {r.status: r.reason for r in await RefusalRows(it.ledger).recent(EVER, ref=CHAT)}
        assert reasons[429].startswith("Rate limit reached for user alice on requests per minute: limit 1, used 1.")
        await it.rows(1)
        (line,) = await it.ledger.usage(Dimension.KEY, EVER)
        assert (line.group, line.requests) == ("k-1", 1), "what was refused is in no sum"

    async with world(tmp_path, base="http://127.0.0.1:9") as it, it.client() as alice:
        assert (await alice.post("/v1/chat/completions", json=ASKED)).status_code == 502
        assert 502 not in [row[0] for row in await kept(it)], "it was let in: it is a request that failed"
        await it.rows(2)

    async with world(tmp_path) as it:
        it.put(deployment(sharing={"mode": "none"}))
        async with it.client() as alice:
            assert (await alice.post("/v1/chat/completions", json=ASKED)).status_code == 403
        assert [row for row in await kept(it) if row[0] == 403] == [
            (403, 1, "team-a/chat", "k-1", "not_allowed"), (403, 1, "team-a/chat", "k-2", "not_allowed"),
        ]  # fmt: skip


async def test_a_ledger_that_takes_nothing_for_a_while_loses_no_count(tmp_path: Path) -> None:
    taken: list[Refusal] = []
    full = True

    async def keep(refusals: Sequence[Refusal]) -> None:
        if full:
            raise GenaiTuiError("the disk is full")
        taken.extend(refusals)

    now = datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)
    gathering = Refusals("https://c", lambda: now, keep)
    for second in (1, 2, 3):
        now = now.replace(second=second)
        gathering.note(429, "c", f"try {second} with sk-genai-0123456789abcdef", key(), CHAT)
        await gathering.flush()
    full = False
    await gathering.flush()
    await gathering.flush()
    (refusal,) = taken
    assert (refusal.count, refusal.first.second, refusal.last.second) == (3, 1, 3)
    assert refusal.reason.startswith("try 3 with")
    assert "0123456789abcdef" not in refusal.reason


async def test_what_is_older_than_a_month_goes(tmp_path: Path) -> None:
    def refused(at: datetime, count: int = 1) -> Refusal:
        return Refusal(at, at, count, "https://c", "team-a", "chat", "org-a", "alice", "k-1", 429, "c", f"at {at}")

    async with world(tmp_path) as it:
        rows, now = RefusalRows(it.ledger), datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
        await rows.add([refused(now - KEPT - timedelta(minutes=2)), refused(now - KEPT)])
        await rows.add([refused(now, 2), refused(now - timedelta(seconds=9), 3)])
        assert [(r.count, r.first, r.last, r.reason) for r in await rows.recent(EVER)] == [
            (5, now - timedelta(seconds=9), now, f"at {now}"), (1, now - KEPT, now - KEPT, f"at {now - KEPT}"),
        ]  # fmt: skip
