"""The console itself: the only command that loads Textual."""

from __future__ import annotations

import sys

from genai_tui.commands.output import note
from genai_tui.composition import build_services
from genai_tui.errors import BadInput, CredentialsRejected, GenaiTuiError
from genai_tui.settings import Settings


def run_console(settings: Settings) -> None:
    """Open the console and stay until the operator leaves.

    Raises:
        BadInput: standard output is not a terminal.
        CredentialsRejected: there is no usable kubeconfig.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("the console needs a terminal", next_step="use a command such as `genai-tui get deployments`")
    services = build_services(settings)
    from screens.app import GenaiTui

    app = GenaiTui(services)
    app.run()
    if app.return_code:
        raise GenaiTuiError("the console ended after an error", next_step=f"see {settings.state / 'genai-tui.log'}")


def offer_sandbox(error: CredentialsRejected) -> bool:
    """Say that there is no cluster and ask whether to open the sandbox."""
    note(f"genai-tui: {error.problem.line}")
    sys.stderr.write("Open the sandbox instead, a simulated cluster with a real small model? [Y/n] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")
