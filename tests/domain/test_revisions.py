"""Going back to what ran before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from genai_tui.domain.catalogue import ModelSpec
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.revisions import Revision, gone_back, rolled_back
from tests.fakes.tour import CHAT
from tests.screens.deployment_world import detail_of
from tests.strategies import renderable

Rendered = tuple[ModelDeployment, ModelSpec]


@given(renderable(), renderable())
def test_what_runs_is_that_of_then_and_what_is_agreed_that_of_now(one: Rendered, other: Rendered) -> None:
    now, then = one[0], other[0]
    back = rolled_back(now, then)
    assert (back.metadata, back.kind) == (now.metadata, now.kind)
    for name in ("description", "endpoint", "rate_limits", "pricing", "sharing"):
        assert getattr(back.spec, name) == getattr(now.spec, name)
    for name in ("model", "resources", "advanced"):
        assert getattr(back.spec, name) == getattr(then.spec, name)
    assert back.spec.engine == then.spec.engine.model_copy(update={"replicas": now.spec.engine.replicas})
    assert rolled_back(back, now) == now


def revision(number: int, *, current: bool = False, readable: bool = True) -> Revision:
    document: Any = detail_of(CHAT).document if readable else None
    return Revision(number, None, "image", 1, 1, current, document)


def test_the_newest_earlier_one_is_meant_where_none_is_named() -> None:
    now = detail_of(CHAT).document
    assert now is not None
    kept = (revision(9, current=True), revision(7), revision(2, readable=False))
    assert gone_back(now, kept, None)[0].number == 7
    for wanted, told in (
        (9, "revision 9 is what it has now"),
        (8, "there is no revision 8; kept are 7, 2"),
        (2, "what revision 2 was made from cannot be read"),
    ):
        with pytest.raises(ValueError, match=told):
            gone_back(now, kept, wanted)
    with pytest.raises(ValueError, match="no earlier revision"):
        gone_back(now, kept[:1], None)
