"""How a start of vLLM fails: the lines of recorded failing starts, with the cause where the real engine puts it.

What fails in the API server's process ends the log. What fails in the engine's own process is followed by the API
server's traceback. The real one is so long that the end of the log, and with it the termination message, does not hold
the cause; with `full_tracebacks` the simulated one is too, else it is cut short.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from genai_tui.sandbox.vllm_dialect import Serving

NOW = "\x00"
"""Stands in a log line for the time at which it is written."""
API, CORE, WORKER = "(APIServer pid=1)", "(EngineCore pid=131)", "(Worker pid=156)"
_SITE = "/usr/local/lib/python3.12/dist-packages"


@dataclass(frozen=True, slots=True)
class Exit:
    """The container ends with `code` after `after` seconds; `message` replaces the log's end as its last words."""

    code: int
    after: float
    reason: str = "Error"
    message: str | None = None


@dataclass(slots=True)
class Launch:
    """What happens after a container starts: lines at their times (seconds), then ready or an end."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    ready_after: float | None = None
    dies_after: float | None = None
    exit: Exit | None = None
    serving: Serving | None = None
    full_tracebacks: bool = False

    def say(self, at: float, source: str, text: str, level: str = "INFO") -> None:
        """A line of a process of the engine; `text` begins with [file:line]."""
        self.lines.append((at, f"{source} {level} {NOW} {text}"))

    def end(self, at: float, text: str, *, code: int = 1, reason: str = "Error", message: str | None = None) -> Launch:
        """Write the last lines and exit."""
        self.lines += [(at, line) for line in text.splitlines()]
        self.exit = Exit(code, at + 0.3, reason, message)
        self.ready_after = None
        return self


def _frames(*frames: tuple[str, int, str, str]) -> list[str]:
    lines: list[str] = []
    for file, line, function, code in frames:
        lines += [f'  File "{_SITE}/{file}", line {line}, in {function}', f"    {code}"]
    return lines


_API_FRAMES = _frames(
    ("vllm/entrypoints/cli/main.py", 120, "main", "args.dispatch_function(args)"),
    ("vllm/entrypoints/cli/serve.py", 156, "cmd", "uvloop.run(run_server(args))"),
    ("uvloop/__init__.py", 92, "run", "return runner.run(wrapper())"),
    ("uvloop/__init__.py", 48, "wrapper", "return await main"),
    ("vllm/entrypoints/launchers/api_server/entry.py", 177, "run_server",
     "await run_server_worker(listen_address, sock, args, **uvicorn_kwargs)"),
    ("vllm/entrypoints/launchers/api_server/entry.py", 195, "run_server_worker",
     "async with build_async_engine_client("),
    ("vllm/entrypoints/launchers/api_server/entry.py", 61, "build_async_engine_client",
     "async with build_async_engine_client_from_engine_args("),
)  # fmt: skip
_CONFIG_FRAMES = _frames(
    ("vllm/entrypoints/launchers/api_server/entry.py", 83, "build_async_engine_client_from_engine_args",
     "vllm_config = engine_args.create_engine_config(usage_context=usage_context)"),
    ("vllm/engine/arg_utils.py", 2838, "create_engine_config", "config = VllmConfig("),
)  # fmt: skip
_CLIENT_FRAMES = _frames(
    ("vllm/entrypoints/launchers/api_server/entry.py", 95, "build_async_engine_client_from_engine_args",
     "async_llm = AsyncLLM.from_vllm_config("),
    ("vllm/v1/engine/async_llm.py", 255, "from_vllm_config", "return cls("),
    ("vllm/v1/engine/async_llm.py", 184, "__init__", "self.engine_core = EngineCoreClient.make_async_mp_client("),
    ("vllm/tracing/otel.py", 175, "sync_wrapper", "return func(*args, **kwargs)"),
    ("vllm/v1/engine/core_client.py", 167, "make_async_mp_client", "return AsyncMPClient("),
    ("vllm/v1/engine/core_client.py", 1120, "__init__", "super().__init__("),
    ("vllm/v1/engine/core_client.py", 682, "__init__", "with launch_core_engines("),
    ("vllm/v1/engine/utils.py", 1351, "launch_core_engines", "wait_for_engine_startup("),
    ("vllm/v1/engine/utils.py", 1431, "wait_for_engine_startup", "raise RuntimeError("),
)  # fmt: skip
_CORE_FRAMES = _frames(
    ("vllm/v1/engine/core.py", 1482, "run_engine_core",
     "engine_core = EngineCoreProc(*args, engine_index=dp_rank, **kwargs)"),
    ("vllm/tracing/otel.py", 175, "sync_wrapper", "return func(*args, **kwargs)"),
    ("vllm/v1/engine/core.py", 1194, "__init__", "super().__init__("),
)  # fmt: skip
_HEAD = "Traceback (most recent call last):"


def fail_in_api(start: Launch, at: float, error: str) -> Launch:
    """The API server cannot even configure the engine: the error is the last line."""
    frames = [*_API_FRAMES, *_CONFIG_FRAMES] if start.full_tracebacks else _CONFIG_FRAMES
    return start.end(at, "\n".join([_HEAD, *frames, error]))


def fail_validation(start: Launch, at: float, of: str, error: str) -> Launch:
    """A value that pydantic refuses when the configuration is made."""
    shown = (
        "[type=value_error, input_value=ArgsKwargs((), {'model_co... 'shutdown_timeout': 0}), input_type=ArgsKwargs]"
    )
    text = f"pydantic_core._pydantic_core.ValidationError: 1 validation error for {of}\n  Value error, {error} {shown}"
    return fail_in_api(
        start, at, f"{text}\n    For further information visit https://errors.pydantic.dev/2.14/v/value_error"
    )


def fail_in_core(start: Launch, at: float, error: str, *, worker: bool = False) -> Launch:
    """The engine's process (or its worker) fails; the API server then says only that it did."""
    frames = _CORE_FRAMES if start.full_tracebacks else []
    if worker:
        for text in ("WorkerProc failed to start.", *error.splitlines()):
            start.say(at, WORKER, f"[multiproc_executor.py:953] {text}", "ERROR")
        error = _WORKER_FAILED
    for text in ("EngineCore failed to start.", _HEAD, *frames, *error.splitlines()):
        start.say(at, CORE, f"[core.py:1510] {text}", "ERROR")
    end = [_HEAD, *_CLIENT_FRAMES[-4:], _CORE_FAILED]
    if start.full_tracebacks:
        process = ["Process EngineCore:", _HEAD, *_CORE_FRAMES, *error.splitlines()]
        end = [*process, _HEAD, *_API_FRAMES, *_CLIENT_FRAMES, _CORE_FAILED]
    return start.end(at + 0.8, "\n".join(end))


_CORE_FAILED = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
_WORKER_FAILED = (
    "Exception: WorkerProc initialization failed due to an exception in a background process. "
    "See stack trace for root cause."
)
