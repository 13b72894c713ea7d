"""What the rules at gateways of the cluster mean for a key: evaluated as CEL, held against what the embedded one does."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.deployment import Sharing, SharingMode
from genai_tui.domain.keys import DEPLOYMENTS, EXPIRES, KeyRecord, NewKey, from_secret, to_secret
from genai_tui.domain.rows import Ref
from genai_tui.domain.sharing import may_call, sharing_of
from tests.manifests.test_gateways import BACKENDS, example, predicates

celpy = pytest.importorskip("celpy", reason="cel-python is not installed here; requirements/dev.txt has it")
Json = dict[str, Any]
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
REF = Ref("genai", "llama-31-8b")
ENVIRONMENT = celpy.Environment()
OTHERS = ["genai/llama-31-8b2", "genai/llama", "xgenai/llama-31-8b", "a/genai/llama-31-8b", "genai/llama-31-8b/a"]
CONFINED = st.lists(st.sampled_from([str(REF), *OTHERS]), max_size=3, unique=True).map(tuple)
ENDS = st.none() | st.sampled_from([-86_400, -1, 0, 1, 86_400]).map(lambda s: NOW + timedelta(seconds=s))
KEYS = st.builds(
    KeyRecord,
    id=st.just("k-1"),
    organization=st.sampled_from(["org-a", "org-b", "org-c"]),
    user=st.just("alice"),
    expires=ENDS,
    deployments=CONFINED,
)
SHARINGS = st.builds(sharing_of, st.sampled_from(SharingMode), st.sets(st.sampled_from(["org-a", "org-b"])))


def secret_of(record: KeyRecord) -> Json:
    """As the API server hands it to Authorino: no annotations where there are none."""
    secret = to_secret(NewKey(record, "sk-genai-x"), "genai-keys")
    if not secret["metadata"]["annotations"]:
        del secret["metadata"]["annotations"]
    return secret


def admitted(texts: list[str], secret: Json, at: datetime | None = NOW) -> bool:
    """Whether Authorino lets a request in: an expression that cannot be evaluated refuses it."""
    time = {"time": {"seconds": float(int(at.timestamp())), "nanos": 5.0}} if at is not None else {}
    request = {"headers": {"authorization": "Bearer sk-genai-x"}, "method": "POST", **time}
    given_ = {"request": request, "auth": {"identity": json.loads(json.dumps(secret))}}
    activation = {name: celpy.json_to_cel(value) for name, value in given_.items()}
    for text in texts:
        try:
            if not ENVIRONMENT.program(ENVIRONMENT.compile(text)).evaluate(activation):
                return False
        except celpy.CELEvalError:
            return False
    return True


@pytest.mark.parametrize("enforcement", BACKENDS)
@given(SHARINGS, KEYS)
def test_a_key_may_call_exactly_where_it_may_at_the_embedded_gateway(
    enforcement: str, sharing: Sharing, key: KeyRecord
) -> None:
    document = example()
    shared = document.model_copy(update={"spec": document.spec.model_copy(update={"sharing": sharing})})
    wanted = may_call(sharing, REF, key) and not key.expired(NOW)
    assert admitted(predicates(shared, enforcement), secret_of(key)) == wanted


ENDLESS = secret_of(KeyRecord("k-1", "org-a", "alice"))


def changed(**annotations: object) -> Json:
    secret = copy.deepcopy(ENDLESS)
    names = {"deployments": DEPLOYMENTS, "expires": EXPIRES}
    secret["metadata"]["annotations"] = {names[name]: value for name, value in annotations.items()}
    return secret


@pytest.mark.parametrize("enforcement", BACKENDS)
def test_nothing_opens_or_shuts_by_accident(enforcement: str) -> None:
    texts = predicates(example(), enforcement)
    # A key without annotations, or with others alone, calls whatever its organization may; no time is needed for that.
    assert admitted(texts, ENDLESS, at=None)
    assert admitted(texts, changed(), at=None)
    assert admitted(texts, changed(deployments="", expires=""), at=None)
    # One that ends does not call where the proxy says no time, nor with an end that cannot be read.
    assert not admitted(texts, changed(expires="2099-01-01T00:00:00Z"), at=None)
    assert not admitted(texts, changed(expires="soon"))
    assert admitted(texts, changed(expires="2099-01-01T00:00:00Z"))
    # What Kubernetes would never hand over still opens nothing.
    broken = copy.deepcopy(ENDLESS) | {"metadata": ENDLESS["metadata"] | {"annotations": None}}
    assert not admitted(texts, broken)
    # A label that is missing, and identity that is brought along.
    for label in ("org", "user", "key"):
        lacking = copy.deepcopy(ENDLESS)
        del lacking["metadata"]["labels"][f"genai-tui.dev/{label}"]
        assert not admitted(texts, lacking)
        with pytest.raises(ValueError, match="lacks the label"):
            from_secret(lacking)
