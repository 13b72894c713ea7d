"""Everything that can go wrong, as one tree, and the one place that turns it into words.

GenaiTuiError
  BadInput             the operator's text or file is wrong; has one FieldProblem per field     exit 2
  NotPermitted         the cluster refuses this identity; names verb, resource, namespace       exit 3
  TimedOut             it did not happen in the time given                                      exit 4
  NotFound             the named object does not exist                                          exit 1
  Conflict             someone else owns a field, or changed the object first                   exit 1
    Disputed           an apply would take fields from others; nothing was written              exit 1
    ChangedMeanwhile   another saved it after it was read; nothing was written                  exit 1
  PartlyApplied        some objects were written and one was refused; names both                exit 1
  CredentialsRejected  expired, missing or broken credentials                                   exit 1
  Unreachable          no answer from the cluster or the engine                                 exit 1
    EngineSilent       the cluster was reached, and it did not get through to the engine        exit 1
  EngineRefused        the inference engine answered with an error                              exit 1
  Refused              the API server refused for another reason; carries its own words         exit 1
  MissingTool          something this machine needs is not installed                            exit 1
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from genai_tui.domain.disputes import Dispute
from genai_tui.domain.problems import FieldProblem, Problem
from genai_tui.known_secrets import hide

if TYPE_CHECKING:
    from genai_tui.domain.documents import Endpoint, Model, ModelDeployment, Organization


class ExitCode(IntEnum):
    """Exit codes of the command line (docs/cli.md)."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    NOT_PERMITTED = 3
    TIMED_OUT = 4


class GenaiTuiError(Exception):
    """Base of every error we raise on purpose.

    Args:
        what: what happened and to what, in one sentence without a full stop.
        why: the cause in plain words, or the other side's own message; empty when unknown.
        next_step: what the operator can do now; empty when nothing can be done.
        detail: longer text (a Status body, a plugin's stderr), shown on request.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, what: str, *, why: str = "", next_step: str = "", detail: str = "") -> None:
        # Others' words come in here, such as a plugin's: they are shown, recorded and logged from here on.
        what, why, next_step, detail = (hide(text) for text in (what, why, next_step, detail))
        super().__init__(what)
        self.problem = Problem(what=what, why=why, next_step=next_step, detail=detail)


class BadInput(GenaiTuiError):
    """The operator's text is wrong. `fields` holds one problem per field, in the order of the form."""

    exit_code = ExitCode.BAD_INPUT

    def __init__(
        self,
        what: str,
        *,
        fields: tuple[FieldProblem, ...] = (),
        why: str = "",
        next_step: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(what, why=why, next_step=next_step, detail=detail)
        self.fields = fields


class NotPermitted(GenaiTuiError):
    """The identity may not do this; `what` names verb, resource and namespace."""

    exit_code = ExitCode.NOT_PERMITTED


class TimedOut(GenaiTuiError):
    """It did not happen in the time given."""

    exit_code = ExitCode.TIMED_OUT


class NotFound(GenaiTuiError):
    """The named object does not exist."""


class Conflict(GenaiTuiError):
    """Another field manager owns a field we set, or the object changed under us.

    `owners` maps each field path, as the API server writes it, to the manager that owns it.
    """

    def __init__(
        self,
        what: str,
        *,
        owners: dict[str, str] | None = None,
        why: str = "",
        next_step: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(what, why=why, next_step=next_step, detail=detail)
        self.owners = owners or {}


class Disputed(Conflict):
    """An apply would take fields from others: each has to be decided first. Nothing was written."""

    def __init__(self, disputes: tuple[Dispute, ...]) -> None:
        first = disputes[0]
        managers = ", ".join(sorted({dispute.holder for dispute in disputes}))
        count = f"{len(disputes)} fields" if len(disputes) > 1 else "1 field"
        super().__init__(
            f"{managers} changed {count} of {first.reference} that this would change back",
            owners={dispute.path: dispute.manager for dispute in disputes},
            why=", ".join(dispute.path for dispute in disputes),
            next_step="nothing was written; decide for each field whether theirs is kept or ours is taken",
            detail="\n".join(dispute.line for dispute in disputes),
        )
        self.disputes: tuple[Dispute, ...] = disputes


class ChangedMeanwhile(Conflict):
    """Another saved the object after it was read. Nothing was written.

    `live` is the document as it is now; None where it cannot be read any more.
    """

    def __init__(self, what: str, live: Model | Endpoint | Organization | ModelDeployment | None) -> None:
        super().__init__(
            f"{what} was changed by another since it was opened",
            next_step="nothing was written; look at what changed, then save again",
        )
        self.live = live


class PartlyApplied(GenaiTuiError):
    """One object of several was refused. `created` were written before it, `missing` were not.

    Both hold references of the form `Kind namespace/name`.
    """

    def __init__(
        self,
        what: str,
        *,
        created: tuple[str, ...],
        missing: tuple[str, ...],
        why: str = "",
        next_step: str = "",
    ) -> None:
        super().__init__(what, why=why, next_step=next_step)
        self.created = created
        self.missing = missing


class CredentialsRejected(GenaiTuiError):
    """The cluster or engine did not accept who we are (HTTP 401), or the credentials cannot be had."""


class Unreachable(GenaiTuiError):
    """No answer: name resolution, connection, TLS or a dropped stream."""


class EngineSilent(Unreachable):
    """The cluster answered, and said that nothing answers at the engine's port; `why` has its words."""


class EngineRefused(GenaiTuiError):
    """The inference engine answered with an error; `status` is its HTTP status, `code` its error code."""

    def __init__(
        self,
        what: str,
        *,
        status: int,
        code: str = "",
        why: str = "",
        next_step: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(what, why=why, next_step=next_step, detail=detail)
        self.status = status
        self.code = code


class Refused(GenaiTuiError):
    """The API server refused for a reason with no class of its own; `reason` is Status.reason."""

    def __init__(
        self,
        what: str,
        *,
        status: int,
        reason: str = "",
        why: str = "",
        next_step: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(what, why=why, next_step=next_step, detail=detail)
        self.status = status
        self.reason = reason


class MissingTool(GenaiTuiError):
    """Something this machine needs is not installed; `next_step` says how to get it."""


@dataclass(frozen=True, slots=True)
class Explained:
    """An error ready for a person: its problem and the exit code that goes with it."""

    problem: Problem
    exit_code: ExitCode


def explain(error: BaseException) -> Explained:
    """Turn any exception into words. Never raises and never returns an empty sentence."""
    if isinstance(error, GenaiTuiError):
        return Explained(error.problem, error.exit_code)
    text = hide(str(error)).strip()
    what = f"{type(error).__name__}: {text}" if text else f"unexpected {type(error).__name__}"
    return Explained(
        Problem(what=what, why="this is a defect of genai-tui", next_step="report it with the log file"),
        ExitCode.FAILED,
    )
