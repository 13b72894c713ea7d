"""Requests in code that run as printed: curl, Python (openai) and Node (openai). The key is read from $API_KEY."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from genai_tui.domain.chat import ChatRequest
from genai_tui.inference.client import chat_body

Language = Literal["curl", "python", "node"]
QUESTION = "Name three colours."
_STREAMING = ("stream", "stream_options")
_NOT_OPENAI = ("top_k", "min_p", "repetition_penalty")
"""Parameters of engines that OpenAI's client does not know by name."""


def sample(language: Language, base_url: str, model: str, request: ChatRequest | None = None) -> str:
    """A chat request to `base_url` (which ends before /v1) for the served name `model`: `request`, or a short one."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
    if request is not None:
        body = {name: value for name, value in chat_body(request, model).items() if name not in _STREAMING}
    match language:
        case "curl":
            return _comments("#", base_url) + _curl(base_url, body)
        case "python":
            return _comments("#", base_url) + _python(base_url, body)
        case "node":
            return _comments("//", base_url) + _node(base_url, body)


def _comments(mark: str, base_url: str) -> str:
    """What must be there before it runs."""
    lines = ["needs: export API_KEY=..."]
    host = urlsplit(base_url).hostname or ""
    if host.endswith(".svc.cluster.local"):
        service, namespace = host.split(".")[:2]
        port = urlsplit(base_url).port or 80
        lines.append("this address works inside the cluster; elsewhere run")
        lines.append(f"  kubectl -n {namespace} port-forward service/{service} {port}")
        lines.append(f"and put http://localhost:{port} in its place")
    return "".join(f"{mark} {line}\n" for line in lines)


def _curl(base_url: str, body: Mapping[str, Any]) -> str:
    margin = " " * 7
    fields = f",\n{margin}".join(f"{_json(name)}: {_list(value, margin)}" for name, value in body.items())
    return (
        f"curl -sS {base_url}/v1/chat/completions \\\n"
        '  -H "Authorization: Bearer $API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{{{_quoted(fields)}}}'\n"
    )


def _python(base_url: str, body: Mapping[str, Any]) -> str:
    given = {name: value for name, value in body.items() if name not in _NOT_OPENAI}
    more = {name: value for name, value in body.items() if name in _NOT_OPENAI}
    arguments = "".join(f"    {name}={_literal(name, value)},\n" for name, value in given.items())
    extra = f"    extra_body={_json(more)},\n" if more else ""
    return (
        "import os\n\nfrom openai import OpenAI\n\n"
        "client = OpenAI(\n"
        f'    base_url="{base_url}/v1",\n'
        '    api_key=os.environ["API_KEY"],\n'
        ")\n"
        f"answer = client.chat.completions.create(\n{arguments}{extra})\n"
        "print(answer.choices[0].message.content)\n"
        "print(answer.usage)\n"
    )


def _node(base_url: str, body: Mapping[str, Any]) -> str:
    fields = "".join(f"  {name}: {_list(value, '  ', _script)},\n" for name, value in body.items())
    return (
        'import OpenAI from "openai";\n\n'
        "const client = new OpenAI({\n"
        f'  baseURL: "{base_url}/v1",\n'
        "  apiKey: process.env.API_KEY,\n"
        "});\n"
        f"const answer = await client.chat.completions.create({{\n{fields}}});\n"
        "console.log(answer.choices[0].message.content);\n"
        "console.log(answer.usage);\n"
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _literal(name: str, value: object) -> str:
    """As Python writes it. Messages hold nothing but strings, for which JSON's quotes are as good."""
    return _list(value, "    ") if name == "messages" else _json(value) if isinstance(value, str) else repr(value)


def _script(message: object) -> str:
    """A message as JavaScript writes it: the names without quotes."""
    if isinstance(message, dict) and set(message) == {"role", "content"}:
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
