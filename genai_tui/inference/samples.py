"""Requests in code that run as printed: curl, Python (openai) and Node (openai). The key is read from $API_KEY."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from genai_tui.domain.catalogue import UseCase
from genai_tui.domain.chat import ChatRequest
from genai_tui.inference.client import chat_body

Language = Literal["curl", "python", "node"]
QUESTION = "Name three colours."
_STREAMING = ("stream", "stream_options")
_NOT_OPENAI = ("top_k", "min_p", "repetition_penalty")
"""Parameters of engines that OpenAI's client does not know by name."""
_PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42mO4ICBAU8QwasGoBaMWjF"
    "owasGoBaMWjFowasGoBaMWDBULAGFgwC4HDqGmAAAAAElFTkSuQmCC"
)
"""A red square of 32 by 32 pixels: the sample needs no network of the engine's."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """How OpenAI's clients ask for something, and where the answer has what is printed of it.

    `method` is empty where the clients know the path alone.
    """

    path: str
    method: str
    printed: str


_CHAT = _Asked("/chat/completions", "chat.completions.create", "choices[0].message.content")
_COMPLETION = _Asked("/completions", "completions.create", "choices[0].text")
_EMBEDDING = _Asked("/embeddings", "embeddings.create", "data[0].embedding")
_RERANK = _Asked("/rerank", "", "results")


def sample(
    language: Language,
    base_url: str,
    model: str,
    request: ChatRequest | None = None,
    *,
    use: UseCase = UseCase.CHAT,
    doubt: str = "",
) -> str:
    """A request to `base_url` (which ends before /v1) for the served name `model`: `request`, or a short one.

    Args:
        language: of the code.
        base_url: where.
        model: the served name.
        request: a conversation; None: what a model of this `use` is asked.
        use: what the model is for.
        doubt: what the reader must know about the address; empty for nothing.
    """
    asked, body = _short(use)
    body = {"model": model, **body}
    if request is not None:
        asked = _CHAT
        body = {name: value for name, value in chat_body(request, model).items() if name not in _STREAMING}
    match language:
        case "curl":
            return _comments("#", base_url, doubt) + _curl(base_url, asked, body)
        case "python":
            return _comments("#", base_url, doubt) + _python(base_url, asked, body)
        case "node":
            return _comments("//", base_url, doubt) + _node(base_url, asked, body)


def _short(use: UseCase) -> tuple[_Asked, dict[str, Any]]:
    """The short question a model of this use is asked."""
    match use:
        case UseCase.CHAT:
            return _CHAT, {"messages": [{"role": "user", "content": QUESTION}]}
        case UseCase.VISION:
            parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": _PICTURE}}]
            return _CHAT, {"messages": [{"role": "user", "content": parts}]}
        case UseCase.COMPLETION:
            return _COMPLETION, {"prompt": "Three colours are", "max_tokens": 16}
        case UseCase.EMBEDDING:
            return _EMBEDDING, {"input": ["red", "the colour of blood"], "encoding_format": "float"}
        case UseCase.RERANK:
            return _RERANK, {"query": "Which is a colour?", "documents": ["red", "running", "seven"]}


def _comments(mark: str, base_url: str, doubt: str) -> str:
    """What must be there before it runs."""
    lines = ["needs: export API_KEY=...", *([doubt] if doubt else [])]
    host = urlsplit(base_url).hostname or ""
    if host.endswith(".svc.cluster.local"):
        service, namespace = host.split(".")[:2]
        port = urlsplit(base_url).port or 80
        lines.append("this address works inside the cluster; elsewhere run")
        lines.append(f"  kubectl -n {namespace} port-forward service/{service} {port}")
        lines.append(f"and put http://localhost:{port} in its place")
    return "".join(f"{mark} {line}\n" for line in lines)


def _curl(base_url: str, asked: _Asked, body: Mapping[str, Any]) -> str:
    margin = " " * 7
    fields = f",\n{margin}".join(f"{_json(name)}: {_list(value, margin)}" for name, value in body.items())
    return (
        f"curl -sS {base_url}/v1{asked.path} \\\n"
        '  -H "Authorization: Bearer $API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{{{_quoted(fields)}}}'\n"
    )


def _python(base_url: str, asked: _Asked, body: Mapping[str, Any]) -> str:
    head = (
        "import os\n\nfrom openai import OpenAI\n\n"
        "client = OpenAI(\n"
        f'    base_url="{base_url}/v1",\n'
        '    api_key=os.environ["API_KEY"],\n'
        ")\n"
    )
    if not asked.method:
        fields = "".join(f"        {_json(name)}: {_list(value, '        ')},\n" for name, value in body.items())
        call = f'    "{asked.path}",\n    cast_to=object,\n    body={{\n{fields}    }},\n'
        return f'{head}answer = client.post(\n{call})\nprint(answer["{asked.printed}"])\nprint(answer.get("usage"))\n'
    given = {name: value for name, value in body.items() if name not in _NOT_OPENAI}
    more = {name: value for name, value in body.items() if name in _NOT_OPENAI}
    arguments = "".join(f"    {name}={_literal(name, value)},\n" for name, value in given.items())
    extra = f"    extra_body={_json(more)},\n" if more else ""
    call = f"answer = client.{asked.method}(\n{arguments}{extra})\n"
    return f"{head}{call}print(answer.{asked.printed})\nprint(answer.usage)\n"


def _node(base_url: str, asked: _Asked, body: Mapping[str, Any]) -> str:
    head = (
        'import OpenAI from "openai";\n\n'
        "const client = new OpenAI({\n"
        f'  baseURL: "{base_url}/v1",\n'
        "  apiKey: process.env.API_KEY,\n"
        "});\n"
    )
    margin = "  " if asked.method else "    "
    fields = "".join(f"{margin}{name}: {_list(value, margin, _script)},\n" for name, value in body.items())
    if asked.method:
        call = f"client.{asked.method}({{\n{fields}}});\n"
    else:
        call = f'client.post("{asked.path}", {{\n  body: {{\n{fields}  }},\n}});\n'
    return f"{head}const answer = await {call}console.log(answer.{asked.printed});\nconsole.log(answer.usage);\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _literal(name: str, value: object) -> str:
    """As Python writes it. Lists of questions hold nothing but strings, for which JSON's quotes are as good."""
    return (
        _list(value, "    ")
        if name in ("messages", "input")
        else _json(value)
        if isinstance(value, str)
        else repr(value)
    )


def _script(message: object) -> str:
    """A message as JavaScript writes it: the names without quotes."""
    if isinstance(message, dict) and set(message) == {"role", "content"} and isinstance(message["content"], str):
        return f"{{ role: {_json(message['role'])}, content: {_json(message['content'])} }}"
    return _json(message)


def _list(value: object, margin: str, write: Callable[[object], str] = _json) -> str:
    """Several items below each other, one beside its name."""
    if not isinstance(value, list):
        return write(value)
    items = [write(item) for item in value]
    if len(items) == 1:
        return f"[{items[0]}]"
    step = "    " if len(margin) == 4 else "  "
    between = f",\n{margin}{step}"
    return f"[\n{margin}{step}{between.join(items)}\n{margin}]"


def _quoted(text: str) -> str:
    """Inside the single quotes of a shell."""
    return text.replace("'", "'\\''")
