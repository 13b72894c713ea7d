"""Requests in code that run as printed: curl, Python (openai) and Node (openai). The key is read from $API_KEY."""

from __future__ import annotations

import json
from typing import Literal

Language = Literal["curl", "python", "node"]
QUESTION = "Name three colours."


def sample(language: Language, base_url: str, model: str) -> str:
    """A chat request to `base_url` (which ends before /v1) for the served name `model`."""
    if language == "curl":
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": QUESTION}]})
        return (
            f"curl -sS {base_url}/v1/chat/completions \\\n"
            '  -H "Authorization: Bearer $API_KEY" \\\n'
            '  -H "Content-Type: application/json" \\\n'
            f"  -d '{body}'\n"
        )
    if language == "python":
        return (
            "import os\n\nfrom openai import OpenAI\n\n"
            f'client = OpenAI(base_url="{base_url}/v1", api_key=os.environ["API_KEY"])\n'
            "answer = client.chat.completions.create(\n"
            f'    model="{model}",\n'
            f'    messages=[{{"role": "user", "content": "{QUESTION}"}}],\n'
            ")\n"
            "print(answer.choices[0].message.content)\n"
            "print(answer.usage)\n"
        )
    return (
        'import OpenAI from "openai";\n\n'
        f'const client = new OpenAI({{ baseURL: "{base_url}/v1", apiKey: process.env.API_KEY }});\n'
        "const answer = await client.chat.completions.create({\n"
        f'  model: "{model}",\n'
        f'  messages: [{{ role: "user", content: "{QUESTION}" }}],\n'
        "});\n"
        "console.log(answer.choices[0].message.content);\n"
        "console.log(answer.usage);\n"
    )
