"""Requests in code that run as printed: curl, Python (openai) and Node (openai). The key is read from $API_KEY."""

from __future__ import annotations

import json
from typing import Literal
from urllib.parse import urlsplit

Language = Literal["curl", "python", "node"]
QUESTION = "Name three colours."


def sample(language: Language, base_url: str, model: str) -> str:
    """A chat request to `base_url` (which ends before /v1) for the served name `model`."""
    match language:
        case "curl":
            return _comments("#", base_url) + _curl(base_url, model)
        case "python":
            return _comments("#", base_url) + _python(base_url, model)
        case "node":
            return _comments("//", base_url) + _node(base_url, model)


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


def _curl(base_url: str, model: str) -> str:
    messages = json.dumps([{"role": "user", "content": QUESTION}])
    return (
        f"curl -sS {base_url}/v1/chat/completions \\\n"
        '  -H "Authorization: Bearer $API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f'  -d \'{{"model": {json.dumps(model)},\n'
        f'       "messages": {messages}}}\'\n'
    )


def _python(base_url: str, model: str) -> str:
    return (
        "import os\n\nfrom openai import OpenAI\n\n"
        "client = OpenAI(\n"
        f'    base_url="{base_url}/v1",\n'
        '    api_key=os.environ["API_KEY"],\n'
        ")\n"
        "answer = client.chat.completions.create(\n"
        f'    model="{model}",\n'
        f'    messages=[{{"role": "user", "content": "{QUESTION}"}}],\n'
        ")\n"
        "print(answer.choices[0].message.content)\n"
        "print(answer.usage)\n"
    )


def _node(base_url: str, model: str) -> str:
    return (
        'import OpenAI from "openai";\n\n'
        "const client = new OpenAI({\n"
        f'  baseURL: "{base_url}/v1",\n'
        "  apiKey: process.env.API_KEY,\n"
        "});\n"
        "const answer = await client.chat.completions.create({\n"
        f'  model: "{model}",\n'
        f'  messages: [{{ role: "user", content: "{QUESTION}" }}],\n'
        "});\n"
        "console.log(answer.choices[0].message.content);\n"
        "console.log(answer.usage);\n"
    )
