"""Rendered manifests, whole, as they were read line by line against the engines' documentation.

After a wanted change, write them anew with `REWRITE_GOLDEN=1 pytest tests/manifests/test_golden.py` and read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from genai_tui.domain.documents import Model, ModelDeployment
from genai_tui.files import read_documents
from genai_tui.kube.manifests.deployment import owned_by, render_deployment

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def rendered(text: str) -> str:
    documents = read_documents(text)
    models = {document.metadata.name: document.spec for document in documents if isinstance(document, Model)}
    deployment = next(document for document in documents if isinstance(document, ModelDeployment))
    objects = render_deployment(deployment, models[deployment.spec.model], deployment.metadata.namespace or "default")
    owned = owned_by(objects, "00000000-0000-0000-0000-000000000001")
    return yaml.safe_dump_all(owned, sort_keys=False, width=110)


@pytest.mark.parametrize("name", ["vllm", "vllm-storage", "nim-1", "nim-2"])
def test_manifests_are_as_they_were_reviewed(name: str) -> None:
    text = rendered((GOLDEN / f"{name}.document.yaml").read_text(encoding="utf-8"))
    kept = GOLDEN / f"{name}.manifests.yaml"
    if os.environ.get("REWRITE_GOLDEN"):
        kept.write_text(text, encoding="utf-8")
    assert kept.read_text(encoding="utf-8") == text
