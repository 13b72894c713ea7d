"""The deployment screen, walked with keys: what it says, what it asks before it writes, how it follows the cluster."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from textual.widgets import Input

from genai_tui.domain.cluster import ReplicaSet
from genai_tui.domain.disputes import Dispute, Drift, Stand, all_of
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.pace import TIMED, Usual
from genai_tui.domain.problems import FieldChange
from genai_tui.domain.rows import Assessment, Phase, Ref
from genai_tui.errors import Conflict
from screens.app import GenaiTui
from screens.deployment.screen import DeploymentScreen
from screens.wizard.screen import WizardScreen
from tests.fakes import tour
from tests.fakes.services import stale
from tests.fakes.tour import CHAT, EMBED, FOREIGN, SUMMARIZE
from tests.screens.deployment_world import (
    World,
    console_of,
    detail_of,
    page,
    replica,
    says,
    showing,
    two_revisions,
    wait_until,
)


@pytest.fixture
def world() -> World:
    return World()


async def test_the_cause_its_evidence_and_what_to_do_stand_on_top(world: World) -> None:
    async with showing(world, EMBED) as pilot:
        await says(pilot, "what to do")
        top = page(pilot).splitlines()[:10]
    assert any("✖ Failed" in text and "search / embed" in text for text in top)
    assert any(text.split()[:1] == ["cause"] and "exceeds the KV cache of 61440" in text for text in top)
    assert any("set the context length to 61440 or less" in text for text in top)
    assert any(text.split()[:1] == ["evidence"] and "ValueError" in text for text in top)


async def test_what_runs_well_shows_no_cause(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        await says(pilot, "● Running")
        assert "cause" not in page(pilot)
        assert "what to do" not in page(pilot)


async def test_what_was_asked_for_is_said_in_words_and_who_keeps_limits(world: World) -> None:
    async with showing(world, CHAT, size=(160, 48)) as pilot:
        await says(pilot, "LIMITS")
        shown = page(pilot)
    for text in (
        "vLLM   vllm/vllm-openai:v0.33.0",
        "4,096 tokens, prompt caching on",
        "4 CPU, 32Gi memory, 1 nvidia.com/gpu",
        "llm.example.internal, inside the cluster",
        "the embedded gateway, for callers that use it",
        "$0.20 input, $0.60 output, per 1M tokens",
        "org-a, org-b",
        "412",
    ):
        assert text in shown


async def test_tabs_open_by_digit_by_tab_and_by_mouse(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        for key, text in (
            ("2", "REVISION 1"),
            ("4", "WHERE IT ANSWERS"),
            ("5", "SHARED WITH"),
            ("6", "kind: Deployment"),
            ("7", "no DCGM exporter found"),
            ("1", "TRAFFIC"),
        ):
            await pilot.press(key)
            await says(pilot, text)
        await pilot.press("tab")
        await says(pilot, "REVISION 1")
        await pilot.press("shift+tab", "shift+tab")
        await says(pilot, "no DCGM exporter found")
        await pilot.click("#deployment-tabs", offset=(page(pilot).splitlines()[2].index("Logs"), 0))
        await says(pilot, "following")
        await pilot.press("escape")
        await wait_until(pilot, lambda: not isinstance(pilot.app.screen, DeploymentScreen))


async def test_changes_are_drawn_where_they_are_and_the_place_that_is_read_stays(world: World) -> None:
    async with showing(world, SUMMARIZE) as pilot:
        await says(pilot, "○ Pending")
        await pilot.press("end")
        await says(pilot, "shared with")
        before = page(pilot).splitlines()
        world.picture.put(replace(tour.summarize_row(), traffic=tour.chat_row().traffic))
        await says(pilot, "412")
        changed = {y for y, (old, new) in enumerate(zip(before, page(pilot).splitlines(), strict=True)) if old != new}
        assert changed == {y for y, text in enumerate(before) if "TRAFFIC" in text or text.split()[:2] == ["–", "–"]}
        loading = Assessment(Phase.LOADING, progress=0.4)
        world.picture.put(replace(tour.summarize_row(), assessment=loading))
        await says(pilot, "◑ Loading 40%")


async def test_a_deployment_that_is_deleted_meanwhile_says_so_and_is_not_written_to(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        await says(pilot, "TRAFFIC")
        world.picture.remove(CHAT)
        await says(pilot, "It does not exist any more")
        assert "gone" in page(pilot)
        assert "TRAFFIC" in page(pilot)
        await pilot.press("s")
        await says(pilot, "team-a/chat does not exist any more")
        await pilot.press("r", "ctrl+d", "e", "c")
        assert isinstance(pilot.app.screen, DeploymentScreen)
        assert console_of(pilot).sent == []
        world.picture.put(tour.chat_row())
        await says(pilot, "● Running")
        assert "It does not exist" not in page(pilot)


async def test_a_stale_picture_is_marked_with_its_time(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        world.picture.set_health(stale())
        await says(pilot, "Last known state, from 10:43:00 UTC")
        assert "● Running" in page(pilot)


async def test_what_never_was_is_said(world: World) -> None:
    async with showing(world, Ref("team-a", "nobody")) as pilot:
        await says(pilot, "There is no deployment team-a/nobody")


async def test_scaling_asks_for_a_number(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        await pilot.press("s")
        await says(pilot, "Scale team-a/chat")
        await pilot.press("up", "enter")
        await wait_until(pilot, lambda: ("scale", "team-a/chat", "3") in world.operations.calls)
        await says(pilot, "3 replicas wanted")
        await pilot.press("s")
        await wait_until(pilot, lambda: pilot.app.screen.query(Input))
        await pilot.press("escape")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DeploymentScreen))
    assert sum(call[0] == "scale" for call in world.operations.calls) == 1


async def test_a_refused_write_is_told_with_its_reason(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        world.operations.failure = Conflict("spec.replicas is managed by kubectl-scale", next_step="ask who scales it")
        await pilot.press("s")
        await wait_until(pilot, lambda: pilot.app.screen.query(Input))
        await pilot.press("up", "enter")
        await says(pilot, "spec.replicas is managed by kubectl-scale")
        await says(pilot, "ask who scales it")


async def test_going_back_to_a_revision_is_reviewed_like_any_edit(world: World) -> None:
    world.operations.kept = two_revisions()
    async with showing(world, CHAT) as pilot:
        await pilot.press("u")
        await says(pilot, "Revisions of team-a/chat")
        await says(pilot, "Engine image: vllm/vllm-openai:v0.33.0 → vllm/vllm-openai:v0.9.1")
        await says(pilot, "stay as they are now")
        await pilot.press("up", "enter")
        await says(pilot, "It is what the deployment has now")
        assert not world.operations.applied
        await pilot.press("down", "enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))
        await says(pilot, "The server accepts it")
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: world.operations.applied)
    (applied,) = world.operations.applied
    assert isinstance(applied, ModelDeployment)
    assert applied.spec.engine.image == "vllm/vllm-openai:v0.9.1"
    assert applied.spec.engine.replicas == 2


async def test_without_an_earlier_revision_there_is_nothing_to_go_back_to(world: World) -> None:
    world.operations.kept = two_revisions()[:1]
    async with showing(world, CHAT) as pilot:
        await pilot.press("u")
        await says(pilot, "There is no earlier revision")


async def test_stop_asks_and_start_offers_the_replicas_it_had(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        await pilot.press("Z")
        await says(pilot, "Stop team-a/chat?")
        await says(pilot, "2 GPUs freed, requests fail")
        await pilot.press("y")
        await wait_until(pilot, lambda: ("scale", "team-a/chat", "0") in world.operations.calls)
    detail = detail_of(CHAT)
    stopped = replace(detail, workload=replace(detail.workload, replicas=0, before_stop=3))
    world.details.put_detail(stopped)
    async with showing(world, CHAT) as pilot:
        await pilot.press("Z")
        await says(pilot, "Start team-a/chat")
        await says(pilot, "3 more: needs 3 GPUs")
        await pilot.press("enter")
        await wait_until(pilot, lambda: ("scale", "team-a/chat", "3") in world.operations.calls)


async def test_a_start_is_told_how_long_such_starts_take_here(world: World) -> None:
    detail = detail_of(tour.CHAT_LONG)
    row = detail.replicas[0]
    since = dict(row.stages)
    world.now = max(since.values()) + timedelta(seconds=20)
    stages = dict.fromkeys(TIMED, 0.0) | {Phase.LOADING: 100.0, Phase.WARMING_UP: 30.0}
    world.picture.usual[tour.CHAT_LONG] = Usual(stages, 4)
    async with showing(world, tour.CHAT_LONG, "rollout") as pilot:
        await says(pilot, "about 1m50s left; 2m10s is usual here (4 starts)")
        world.now += timedelta(seconds=90)
        await says(pilot, "slower than usual; 2m10s is usual here (4 starts)")


async def test_a_rollout_is_paused_and_resumed_after_a_yes(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        await pilot.press("P")
        await says(pilot, "Pause team-a/chat?")
        await pilot.press("n", "P")
        await says(pilot, "changes of its pods wait until it is resumed")
        await pilot.press("y")
        await wait_until(pilot, lambda: ("pause", "team-a/chat") in world.operations.calls)
    assert sum(call[0] == "pause" for call in world.operations.calls) == 1


async def test_restarting_asks_first(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        await pilot.press("r")
        await says(pilot, "Restart team-a/chat?")
        await pilot.press("n")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, DeploymentScreen))
        await pilot.press("r")
        await says(pilot, "Restart team-a/chat?")
        assert ("restart", "team-a/chat") not in world.operations.calls
        await pilot.press("y")
        await wait_until(pilot, lambda: world.operations.calls.count(("restart", "team-a/chat")) == 1)


async def test_a_paused_deployment_is_not_restarted_and_says_why(world: World) -> None:
    detail = tour.detail(tour.chat_row())
    world.details.put_detail(replace(detail, workload=replace(detail.workload, paused=True)))
    async with showing(world, CHAT) as pilot:
        await pilot.press("r")
        await says(pilot, "its rollout is paused, so that a restart would only wait")
        assert not any(call[0] == "restart" for call in world.operations.calls)


async def test_deleting_wants_the_name_typed(world: World) -> None:
    deleted = ("delete", "ModelDeployment", "team-a/chat")
    async with showing(world, CHAT) as pilot:
        await pilot.press("ctrl+d")
        await says(pilot, "Delete team-a/chat?")
        await pilot.press(*"chap", "enter")
        await pilot.pause()
        assert deleted not in world.operations.calls
        await pilot.press("backspace", "t", "enter")
        await wait_until(pilot, lambda: deleted in world.operations.calls)
        await says(pilot, "is being deleted")


async def test_what_is_not_permitted_stays_and_says_what_is_missing(world: World) -> None:
    world.access.refused = {("patch", "apps/deployments", "team-a")}
    async with showing(world, CHAT) as pilot:
        await pilot.press("s")
        await says(pilot, "operator may not patch deployments.apps")
        assert isinstance(pilot.app.screen, DeploymentScreen)
        await pilot.press("ctrl+d")
        await says(pilot, "Delete team-a/chat?")
    assert "team-a" in world.access.checked


async def test_read_only_has_no_writes() -> None:
    world = World(read_only=True)
    async with showing(world, CHAT) as pilot:
        await says(pilot, "Chat")
        assert not {"Edit", "Scale", "Restart", "Delete"} & set(page(pilot).splitlines()[-1].split())
        await pilot.press("s", "r", "e", "ctrl+d")
        await pilot.pause()
        assert isinstance(pilot.app.screen, DeploymentScreen)
        assert console_of(pilot).sent == []


async def test_what_others_made_is_shown_and_not_written_to(world: World) -> None:
    async with showing(world, FOREIGN) as pilot:
        await says(pilot, "Made by kserve: nothing here writes to it")
        await pilot.press("e")
        await says(pilot, "search/reranker was made by kserve")
        await pilot.press("c")
        assert console_of(pilot).sent == [("playground", FOREIGN)]


async def test_chat_and_edit_lead_on_and_chat_needs_somebody_who_answers(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        await pilot.press("c", "e")
        assert console_of(pilot).sent == [("playground", CHAT), ("wizard", CHAT)]
    async with showing(world, SUMMARIZE) as pilot:
        await pilot.press("c")
        await says(pilot, "no replica of team-b/summarize is ready")
        assert console_of(pilot).sent == []


async def test_the_rollout_shows_stages_of_both_revisions_and_events_once(world: World) -> None:
    base = detail_of(CHAT)
    sets = tuple(
        ReplicaSet(replace(base.replicasets[0].meta, name=f"chat-{uid}", uid=uid), number, 1, 0)
        for uid, number in (("new", "2"), ("old", "1"))
    )
    rows = (
        replica(base.replicas[0], "chat-new-aaaaa", Phase.LOADING, progress=0.62, stages=base.replicas[0].stages[:4]),
        replica(base.replicas[1], "chat-old-bbbbb", Phase.TERMINATING, current=False),
    )
    again = tuple(replace(event, meta=replace(event.meta, name=f"{event.meta.name}-2")) for event in base.events)
    workload = replace(base.workload, revision="2")
    row = replace(base.row, assessment=Assessment(Phase.ROLLING_OUT))
    world.details.put_detail(
        replace(base, row=row, workload=workload, replicas=rows, replicasets=sets, events=(*base.events, *again))
    )
    async with showing(world, CHAT, "rollout") as pilot:
        await says(pilot, "REVISION 2")
        lines = page(pilot).splitlines()
    (new,) = [text for text in lines if "aaaaa" in text]
    assert [word for word in new.split() if word[0] not in "━╌"] == [
        "aaaaa", "✔", "2s", "✔", "41s", "✔", "1m12s", "◑", "62%", "·", "·", "gpu-1",
    ]  # fmt: skip
    assert any("REVISION 1" in text and "1 replica left" in text for text in lines)
    assert any("bbbbb" in text for text in lines)
    assert sum("Pulling ×2" in text for text in lines) == 1


async def test_the_api_has_samples_to_copy(world: World) -> None:
    async with showing(world, CHAT, "api") as pilot:
        await says(pilot, "# curl for team-a/chat")
        assert "chat, smollm2-135m" in page(pilot)
        assert "API_KEY" in page(pilot)
        await pilot.press("right")
        await says(pilot, "# python for team-a/chat")
        await pilot.press("y")
        assert pilot.app.clipboard == "# python for team-a/chat\n"
        await pilot.press("left", "left")
        await says(pilot, "# node for team-a/chat")


async def test_the_manifest_is_live_and_the_document_can_be_applied_again(world: World) -> None:
    async with showing(world, CHAT, "manifest") as pilot:
        await says(pilot, "kind: Deployment")
        world.scripted.manifest = "kind: Deployment\nspec:\n  replicas: 7\n"
        base = detail_of(CHAT)
        meta = replace(base.workload.meta, version="2")
        world.details.put_detail(replace(base, workload=replace(base.workload, meta=meta)))
        await says(pilot, "replicas: 7")
        await pilot.press("m")
        await says(pilot, "kind: ModelDeployment")
        await pilot.press("slash", *"memory", "enter")
        await says(pilot, "memory: 1 of 2")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, DeploymentScreen)


async def test_one_key_opens_the_form_with_the_fix_filled_in(world: World) -> None:
    base = detail_of(EMBED)
    changes = (FieldChange("engine.contextLength", "61440"),)
    assessment = replace(base.row.assessment, changes=changes)
    world.details.put_detail(replace(base, row=replace(base.row, assessment=assessment)))
    app = GenaiTui(world.build())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        app.push_screen(DeploymentScreen(EMBED))
        await says(pilot, "x opens the form with it")
        await pilot.press("x")
        await wait_until(pilot, lambda: isinstance(app.screen, WizardScreen))
        form = app.screen
        assert isinstance(form, WizardScreen)
        assert form.state.draft["engine.contextLength"] == "61440"
        assert "engine.contextLength" in form.state.typed
        # It begins at the field, and nothing is written before the review.
        await wait_until(pilot, lambda: "61440" in page(pilot))
        assert not world.operations.applied


async def test_the_key_that_mends_is_not_there_where_nothing_can_be_filled_in(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        await says(pilot, "● Running")
        assert "opens the form" not in page(pilot)
        await pilot.press("x")
        assert isinstance(pilot.app.screen, DeploymentScreen)


DRIFT = Drift(
    (
        Dispute("Deployment team-a/chat", ".spec.replicas", "horizontal-autoscaler", "5", "2", "engine.replicas"),
        Dispute("Deployment team-a/chat", ".spec.template.spec.containers[name=\"engine\"].livenessProbe.failureThreshold",
                "kubectl-edit", "99", "10"),
    ),
    {"engine.replicas": "5"},
    3,
)  # fmt: skip


async def test_what_was_changed_elsewhere_is_shown_taken_into_the_form_or_put_back(world: World) -> None:
    world.operations.drifted = DRIFT
    async with showing(world, CHAT, size=(160, 48)) as pilot:
        await says(pilot, "CHANGED ELSEWHERE")
        for text in ("5, asked for 2   by horizontal-autoscaler", "failureThreshold", "99, asked for 10"):
            assert text in page(pilot)
        await pilot.press("6", "m", "m")
        await says(pilot, "2 fields changed elsewhere")
        assert "+ live       99" in page(pilot)
        await pilot.press("b")
        await says(pilot, "Put back 2 fields of team-a/chat?")
        await pilot.press("n")
        assert world.operations.applied == []
        await pilot.press("b")
        await says(pilot, "Replicas: 5 becomes 2")
        await pilot.press("y")
        await wait_until(pilot, lambda: world.operations.applied)
        assert world.operations.resolutions == [all_of(DRIFT.fields, Stand.OURS)]
        await pilot.press("t")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))
        form = pilot.app.screen
        assert isinstance(form, WizardScreen)
        assert form.state.draft["engine.replicas"] == "5"


async def test_what_is_as_asked_for_offers_nothing_to_put_back(world: World) -> None:
    async with showing(world, CHAT) as pilot:
        await says(pilot, "TRAFFIC")
        await pilot.press("t", "b")
        assert isinstance(pilot.app.screen, DeploymentScreen)
        assert "CHANGED ELSEWHERE" not in page(pilot)
