"""Who may call and how much: the embedded gateway, an OpenAI-compatible front with keys, sharing and limits."""
