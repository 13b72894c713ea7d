"""What scaling means, said before it is done."""

from __future__ import annotations

from genai_tui.domain.rows import DeploymentRow
from screens.format import plural


def scale_text(row: DeploymentRow) -> str:
    """What a replica costs, and what 0 does."""
    each = row.gpus // row.replicas if row.gpus and row.replicas else None
    now = f"{plural(row.replicas, 'replica')} now"
    gpus = f", {plural(each, 'GPU')} each" if each else ""
    return f"{now}{gpus}. 0 stops it: its GPUs become free and requests fail."
