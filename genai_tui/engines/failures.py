"""An engine's log read for the line that tells why it ended; what the line means is told by `domain.rules`.

The cause often stands a hundred lines above the end: "Engine core initialization failed. See root cause above" is
never it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from genai_tui.domain.problems import Diagnosis, FieldChange, How
from genai_tui.domain.rules import BUDGET, ENGINE

MAX_CHARACTERS = 400_000
_LONGEST_LINE = 4_000
MOST_PROFILES = 6
_PROFILE = re.compile(r"\b[0-9a-f]{64}\b[):]*\s+\(?([a-z][\w.+-]*)")
_ROOT = re.compile(
    r"^\((?:EngineCore|Worker|VllmWorker)\S* pid=\d+\) ERROR \S+ \S+ \[\S+\]\s+([A-Z]\w*(?:Error|Exception): .+)"
)
# A warning is not what ended it (vLLM warns of a long context and then fails for want of memory), and a traceback's
# own source lines say nothing that its last line does not say better.
_CHATTER = re.compile(r" WARNING |^\s*(?:\([^)]*\) ERROR \S+ \S+ \[\S+\]\s+)?(?:raise |File \")")
_SECRET = re.compile(r"\b(hf_|nvapi-|sk-|(?:api[-_]key|hf[-_]token|token)[ =:'\"]+)[A-Za-z0-9_-]{6,}", re.IGNORECASE)
_PREFIX = re.compile(
    r"^\((?:APIServer|EngineCore\S*|Worker\S*|VllmWorker\S*) pid=\d+\)\s*(?:(?:ERROR|INFO|WARNING) \S+ \S+ \[\S+\]\s*)?"
)


def diagnose(text: str) -> Diagnosis | None:
    """What the log or termination message means; None when nothing known is in it. Never raises."""
    lines = [line[:_LONGEST_LINE] for line in text[-MAX_CHARACTERS:].splitlines()]
    said = [_PREFIX.sub("", line).strip() for line in lines if not _CHATTER.search(line)]
    for rule in ENGINE:
        for line in said:
            found = rule.read(line, line[:400])
            if found is not None:
                if rule.name == "nim-profile":
                    found = _with_profiles(found, said)
                return replace(found, cause=_without_secrets(found.cause), evidence=_without_secrets(found.evidence))
    return _first_error(lines) or _killed_early(said)


def _with_profiles(found: Diagnosis, lines: list[str]) -> Diagnosis:
    """The fix with the profiles that the log lists, where it does."""
    names = dict.fromkeys(match[1] for line in lines for match in _PROFILE.finditer(line))
    shown = [*names][:MOST_PROFILES]
    if not shown:
        return found
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    fix = f"choose a listed profile ({', '.join(shown)}{more}), or another GPU or image"
    return replace(found, fix=fix)


def _first_error(lines: list[str]) -> Diagnosis | None:
    """The first exception of an engine process: what the API server calls the root cause above."""
    for line in lines:
        match = _ROOT.match(line)
        if match is not None:
            shown = _without_secrets(match[1])
            return Diagnosis(shown[:160], shown[:400], "see its previous log from this line on")
    return None


def _killed_early(lines: list[str]) -> Diagnosis | None:
    """Told to stop before it was ready: the kubelet does that when the start-up probe's budget is spent."""
    stopped = next((line for line in lines if "KeyboardInterrupt: terminated" in line), None)
    if stopped is None or any("Application startup complete" in line for line in lines):
        return None
    cause = "it was stopped before it was ready; most often the start-up budget is too short"
    return Diagnosis(cause, stopped[:400], "raise the start-up budget", (FieldChange(BUDGET, how=How.DOUBLE),))


def _without_secrets(text: str) -> str:
    """Engines repeat their arguments in errors; keys and tokens among them are not shown."""
    return _SECRET.sub(lambda match: f"{match[1]}***", text)
