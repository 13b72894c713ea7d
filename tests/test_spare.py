"""Whether GPUs for one replica more are free, also in the middle of a rollout that has made its next pod already."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

from genai_tui.spare import room_for_one_more
from tests.fakes.services import FakeServices
from tests.fakes.tour import CHAT


def test_a_pod_made_beside_the_others_holds_what_the_next_one_needs() -> None:
    picture = FakeServices().picture
    detail = picture.deployment(CHAT)
    assert detail is not None
    assert detail.document is not None
    placed = [row for row in detail.replicas if row.pod.node is not None]
    assert len(placed) == 2
    spec = detail.document.spec
    one = spec.model_copy(update={"engine": spec.engine.model_copy(update={"replicas": 1})})
    larger = one.model_copy(update={"resources": one.resources.model_copy(update={"gpu": 4})})
    picture.node_rows = ()
    surging = replace(detail, workload=replace(detail.workload, replicas=1, surges=True))
    with patch.object(picture, "deployment", return_value=surging):
        assert room_for_one_more(picture, one, CHAT), "a second edit must not stop the old pod"
        assert not room_for_one_more(picture, spec, CHAT), "both pods are wanted"
        assert not room_for_one_more(picture, larger, CHAT), "what it holds is too little"
    stopping = replace(surging, workload=replace(surging.workload, surges=False))
    with patch.object(picture, "deployment", return_value=stopping):
        assert not room_for_one_more(picture, one, CHAT)
