"""Two edits of one form become one: what only one of them changed is there, what both changed is asked about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.disputes import Stand, all_of
from genai_tui.domain.drafts import DEPLOYMENT_FORM
from genai_tui.domain.merging import merge

FIELDS = DEPLOYMENT_FORM.fields
PLAIN = ("description", "engine.replicas", "engine.image", "resources.memory", "advanced.extraArgs")
DRAFTS = st.fixed_dictionaries({name: st.sampled_from(("", "1", "2", "3")) for name in PLAIN})
LINES = st.dictionaries(st.sampled_from("ABCD"), st.sampled_from("123"), max_size=4)


def text(lines: dict[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in lines.items())


@given(DRAFTS, DRAFTS, DRAFTS)
def test_no_edit_is_lost(base: dict[str, str], theirs: dict[str, str], mine: dict[str, str]) -> None:
    found = merge(FIELDS, base, theirs, mine)
    asked = {dispute.field for dispute in found.disputes}
    for name in PLAIN:
        was, other, own = base[name], theirs[name], mine[name]
        if own not in (was, other) and other != was:
            assert name in asked
        else:
            assert name not in asked
            assert found.draft[name] == (other if own == was else own)
    for stand, texts in ((Stand.THEIRS, theirs), (Stand.OURS, mine)):
        decided = found.decided(all_of(found.disputes, stand))
        assert {name: decided[name] for name in asked} == {name: texts[name] for name in asked}


@given(LINES, LINES, LINES)
def test_lines_of_different_names_are_no_dispute(
    base: dict[str, str], theirs: dict[str, str], mine: dict[str, str]
) -> None:
    drafts = [{"advanced.env": text(lines)} for lines in (base, theirs, mine)]
    found = merge(FIELDS, *drafts)
    names = set("ABCD")
    both = {
        name
        for name in names
        if theirs.get(name) != base.get(name) != mine.get(name) and theirs.get(name) != mine.get(name)
    }
    assert bool(found.disputes) == bool(both)
    if not both:
        lines = dict(line.split("=") for line in found.draft["advanced.env"].splitlines())
        wanted = {n: (mine if mine.get(n) != base.get(n) else theirs).get(n) for n in names}
        assert lines == {name: value for name, value in wanted.items() if value is not None}
