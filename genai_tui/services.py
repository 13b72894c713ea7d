"""The ports the screens see, and the one frozen value that holds them.

Screens and commands import this module and `genai_tui.domain`; what stands behind the ports is wired in
`genai_tui.composition` and `genai_tui.wiring`. Every coroutine raises `genai_tui.errors.GenaiTuiError`, already in
words.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from genai_tui.domain.disputes import UNDECIDED

if TYPE_CHECKING:  # ports are types: to know them loads nothing
    from genai_tui.access_ports import ApiKeys, Credentials, ModelSecrets, Permissions
    from genai_tui.chat_ports import Playground, Shelf
    from genai_tui.domain.adoption import Adoption
    from genai_tui.domain.audit import AuditTrail
    from genai_tui.domain.conversation import SavedConversation, SavedPrompt, SavedQuestion
    from genai_tui.domain.counters import EngineCounters
    from genai_tui.domain.disputes import Dispute, Drift, Resolution
    from genai_tui.domain.documents import Endpoint, Model, ModelDeployment, Organization
    from genai_tui.domain.enforcement import Enforcement, Installed
    from genai_tui.domain.monitoring import EngineReport, GpuReport
    from genai_tui.domain.pace import StartKind, Usual
    from genai_tui.domain.places import ContextEntry
    from genai_tui.domain.preflight import Check
    from genai_tui.domain.problems import FieldProblem
    from genai_tui.domain.revisions import Revision
    from genai_tui.domain.rows import (
        DeploymentDetail,
        DeploymentRow,
        EndpointRow,
        Health,
        ModelRow,
        NodeDetail,
        NodeRow,
        OrganizationRow,
        Ref,
    )
    from genai_tui.usage_ports import Budgets, GatewayWindows, GpuAccounts, Refusals, UsageReports

AnyDocument: TypeAlias = "Model | Endpoint | Organization | ModelDeployment"


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in the deployments list between two revisions.

    `reset` asks for a full reload (too far behind, or a new list); else `rows` are the changed ones and `gone`
    the removed ones. `others` is whether models, endpoints, nodes or events changed too.
    """

    revision: int
    reset: bool
    rows: tuple[DeploymentRow, ...] = ()
    gone: tuple[Ref, ...] = ()
    others: bool = False


class ClusterPicture(Protocol):
    """The in-memory picture of the cluster. Reading it is instant; it is only touched on the event loop."""

    @property
    def revision(self) -> int:
        """Grows with every batch of changes."""
        ...

    @property
    def health(self) -> Health:
        """How fresh the picture is."""
        ...

    def deployments(self) -> Sequence[DeploymentRow]:
        """Every model deployment, foreign ones included, by namespace and name."""
        ...

    def deployment(self, ref: Ref) -> DeploymentDetail | None:
        """All that is known of one; None when it does not exist (any more)."""
        ...

    def usual_start_of(self, kind: StartKind) -> Usual | None:
        """What starts of an image and model usually take in this cluster; None without any before."""
        ...

    def usual_start(self, ref: Ref) -> Usual | None:
        """What starts of a deployment's image and model usually take in this cluster; None without any before."""
        ...

    def models(self) -> Sequence[ModelRow]:
        """The catalogue, by name."""
        ...

    def endpoints(self) -> Sequence[EndpointRow]:
        """The endpoints, by name."""
        ...

    def organizations(self) -> Sequence[OrganizationRow]:
        """The organizations, by name."""
        ...

    def nodes(self) -> Sequence[NodeRow]:
        """The nodes, by name; empty also when they may not be listed (see health.kinds)."""
        ...

    def node(self, name: str) -> NodeDetail | None:
        """A node with the pods on it; None when it does not exist (any more)."""
        ...

    def namespaces(self) -> Sequence[str]:
        """Names of the namespaces that may be used, by name."""
        ...

    def changes_since(self, revision: int) -> Changes:
        """What a list that was drawn at `revision` must repaint."""
        ...

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back on the event loop, at most four times a second, when the revision grew; returns unsubscribe."""
        ...


@dataclass(frozen=True, slots=True)
class RenderedManifest:
    """One object that will be applied. `yaml` never holds a secret value."""

    kind: str
    namespace: str
    name: str
    yaml: str

    @property
    def reference(self) -> str:
        """`Kind namespace/name`, or `Kind name` for cluster-scoped kinds."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


Outcome = Literal["created", "changed", "unchanged", "removed"]


@dataclass(frozen=True, slots=True)
class Preview:
    """What an apply would do, as the API server's own dry run says.

    `diff` is a unified diff of live against would-be, empty when nothing changes. `outcomes` maps each reference
    to what would happen. `refusal` is the server's refusal in one line, when it would refuse; `problems` are
    checks against the picture (unknown model, no node can hold the GPUs), by field. `checks` is the pre-flight of a
    model deployment. `disputes` are fields that others hold: an apply asks about each.
    """

    manifests: tuple[RenderedManifest, ...]
    outcomes: Mapping[str, Outcome]
    diff: str
    refusal: str | None
    problems: tuple[FieldProblem, ...]
    warnings: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    disputes: tuple[Dispute, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did, by reference, in order."""

    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a container's log, already made safe to show (control characters replaced)."""

    pod: str
    container: str
    text: str
    at: datetime | None = None


class Operations(Protocol):
    """What can be done to the cluster. Nothing here runs without the operator's explicit act."""

    async def preview(self, document: AnyDocument) -> Preview:
        """Render, compare with what is live, and ask the server for a dry run. Writes nothing."""
        ...

    async def warnings(self, documents: Sequence[AnyDocument]) -> Mapping[str, tuple[str, ...]]:
        """What can be applied and may still not be meant, by document (`kind name`).

        What its gateway will not keep, which deployments do not follow by themselves. Ask before writing: it is told
        against what is live.

        Raises:
            BadInput: a document that cannot be rendered.
        """
        ...

    async def preflight(self, documents: Sequence[AnyDocument]) -> Mapping[Ref, tuple[Check, ...]]:
        """What can be known before a save, by model deployment: fit, placement, and whether what it needs is there.

        Raises:
            BadInput: a document that cannot be rendered.
        """
        ...

    async def apply(
        self,
        document: AnyDocument,
        *,
        create_only: bool = False,
        base: AnyDocument | None = None,
        resolution: Resolution = UNDECIDED,
    ) -> Applied:
        """Server-side apply. A field that another holds is taken only where `resolution` says so.

        With `create_only` an existing object of that name is refused (BadInput on `metadata.name`). `base` is what
        was live when the document was begun: what another saved since is not written over.

        Raises:
            Disputed: others hold fields about which nothing is decided. ChangedMeanwhile: `base` is not live any
                more. Conflict, NotPermitted, PartlyApplied, BadInput.
        """
        ...

    async def gateways(self) -> Installed:
        """Which gateways the cluster has. Raises NotPermitted, Unreachable."""
        ...

    async def enforcement(self, ref: Ref) -> Enforcement:
        """Who keeps limits and sharing, as the gateway's controllers say now; never more than is proven."""
        ...

    async def prove(self, ref: Ref) -> Enforcement:
        """Probe the gateway: without a key, with an unknown one, and with a key of an unshared organization.

        The last needs a Secret, which is made for it and deleted again.

        Raises:
            NotFound, BadInput (the endpoint names no gateway that enforces), NotPermitted, Unreachable.
        """
        ...

    async def delete(
        self, kind: str, name: str, namespace: str = "", *, base: ModelDeployment | None = None
    ) -> tuple[str, ...]:
        """Delete a Model, Endpoint, Organization or ModelDeployment with what belongs to it; returns references.

        `base` is what a deployment must still be.

        Raises:
            ChangedMeanwhile: `base` is not live any more.
            NotFound, NotPermitted, BadInput when something still uses it.
        """
        ...

    async def scale(
        self, ref: Ref, replicas: int, resolution: Resolution = UNDECIDED, *, base: ModelDeployment | None = None
    ) -> None:
        """Set the wanted replicas and nothing else; 0 stops the deployment. Keeps the spec annotation in step.

        `base` is what the deployment must still be. Raises as `apply`.
        """

    async def drift(self, ref: Ref) -> Drift:
        """Where the live objects are not as the spec says; nothing for a deployment of others.

        Raises:
            NotFound, NotPermitted, BadInput (its model or endpoint is gone, so that nothing can be made of the spec).
        """
        ...

    async def adoption(self, ref: Ref) -> Adoption:
        """A deployment of others read back into the form. Writes nothing.

        Raises:
            BadInput: it is ours already, or runs no engine that can be deployed here. NotFound, NotPermitted.
        """
        ...

    async def compare(self, ref: Ref, document: ModelDeployment) -> str:
        """How the Deployment a document makes differs from a live one of another name, as a unified diff."""
        ...

    async def restart(self, ref: Ref) -> None:
        """Replace every pod, as the rollout strategy says."""

    async def pause(self, ref: Ref, *, paused: bool) -> None:
        """Hold the rollout: what is changed waits until it is let go on. Running pods go on answering."""

    async def revisions(self, ref: Ref) -> tuple[Revision, ...]:
        """Every revision the cluster keeps of a deployment, newest first.

        Raises:
            NotFound, NotPermitted.
        """
        ...

    async def live_manifest(self, ref: Ref) -> str:
        """The Deployment as the cluster has it now, as YAML without managedFields; Secret values are never in it."""
        ...

    def logs(
        self,
        ref: Ref,
        pod: str,
        *,
        container: str = "",
        follow: bool = True,
        previous: bool = False,
        tail: int = 500,
    ) -> AsyncGenerator[LogLine, None]:
        """Lines of one pod's log, oldest first; ends when the container ends or `follow` is False."""
        ...


@dataclass(frozen=True, slots=True)
class SavedDraft:
    """A form somebody typed and did not finish."""

    key: str
    title: str
    fields: Mapping[str, str]
    saved: datetime


class Drafts(Protocol):
    """Forms in the making, kept on disk (0600) so that a dead terminal loses nothing typed."""

    def save(self, key: str, title: str, fields: Mapping[str, str]) -> None:
        """Keep the form under `key`, replacing what was there."""

    def saved(self) -> tuple[SavedDraft, ...]:
        """Every kept draft, newest first."""
        ...

    def discard(self, key: str) -> None:
        """Forget it; nothing happens when there is none."""

    def set_aside(self) -> tuple[str, ...]:
        """One sentence for each kept form that could not be read and was put out of the way."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """Who is working on what: shown in the header, named by every write.

    `simulated` marks the sandbox. `insecure` is whether the server's certificate is not verified
    (insecure-skip-tls-verify). `production` is whether the context is marked so: a write then asks for its name too.
    `gateway` is the base URL of the embedded gateway that callers use; empty where none is known.
    """

    context: str
    server: str
    namespace: str | None
    system_namespace: str
    read_only: bool
    simulated: bool
    insecure: bool = False
    production: bool = False
    gateway: str = ""


class Places(Protocol):
    """Other contexts and namespaces to go to."""

    def contexts(self) -> Sequence[ContextEntry]:
        """What the kubeconfig has, in its order. Raises BadInput."""
        ...

    def open(self, context: str, namespace: str | None) -> Services:
        """The services of another context, or of one namespace (None for all); nothing is sent yet.

        Raises:
            CredentialsRejected, BadInput: it cannot be used.
        """
        ...


class Monitor(Protocol):
    """What GPUs and engines report of themselves. Asked by the screen that shows it, as often as the answer says."""

    async def gpus(self, nodes: Collection[str] | None = None) -> GpuReport:
        """The GPUs of these nodes, or of all, from the DCGM exporter; why there is nothing where there is nothing.

        Where no exporter tells, `nvidia-smi` is run in pods of this console's deployments, and after `ask_others` in
        those of others.
        """
        ...

    def ask_others(self) -> None:
        """From now on `nvidia-smi` may be run in pods that were not made here: an explicit act of the operator."""
        ...

    async def engine(self, ref: Ref) -> EngineReport:
        """Requests, cache, tokens and latencies of a deployment, from the engines' own metrics."""
        ...


class ApplyDocuments(Protocol):
    """Applies documents, or asks the server what it would do with them."""

    def __call__(
        self, documents: Sequence[AnyDocument], dry_run: bool, resolution: Resolution = UNDECIDED
    ) -> Awaitable[Mapping[str, Outcome]]:
        """Outcomes by reference, in order. Raises as `Operations.apply`."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a console or a command needs, wired once.

    `start` connects and begins to watch; it returns when watching has begun, not when the picture is complete.
    `settle` waits until the picture is complete and every ready deployment was asked once for its served names; it
    raises what keeps the picture from becoming complete. `render_documents` gives the manifests of documents that may
    refer to each other, asking the cluster only for what they do not bring along; `apply_documents` applies them,
    with what was decided about fields that others hold, or with True only asks the server what it would do;
    `diff_documents` says what that would change, as a unified diff. `retry` tries at once what failed and waits to be
    tried again. `lend_terminal` says how a credential plugin that talks to the operator gets the terminal. `close` ends
    everything. `confirm_writes` says how the operator is asked, in a context marked as production, before anything is
    written: with what it is, once an act. `windows` are the counters of the embedded gateway on this machine,
    `limitador` those of Kuadrant in this cluster.
    """

    session: Session
    picture: ClusterPicture
    access: Permissions
    operations: Operations
    playground: Playground
    usage: UsageReports
    budgets: Budgets
    gpu_accounts: GpuAccounts
    refusals: Refusals
    windows: GatewayWindows
    limitador: GatewayWindows
    drafts: Drafts
    conversations: Shelf[SavedConversation]
    prompts: Shelf[SavedPrompt]
    questions: Shelf[SavedQuestion]
    preferences: Preferences
    places: Places
    clock: Callable[[], datetime]
    start: Callable[[], Awaitable[None]]
    settle: Callable[[], Awaitable[None]]
    keys: ApiKeys
    secrets: ModelSecrets
    credentials: Credentials
    audit: AuditTrail
    counters: EngineCounters
    monitor: Monitor
    render_documents: Callable[[Sequence[AnyDocument]], Awaitable[Sequence[RenderedManifest]]]
    apply_documents: ApplyDocuments
    diff_documents: Callable[[Sequence[AnyDocument]], Awaitable[str]]
    retry: Callable[[], None]
    lend_terminal: Callable[[Callable[[], AbstractContextManager[None]]], None]
    confirm_writes: Callable[[Callable[[str], Awaitable[bool]]], None]
    close: Callable[[], Awaitable[None]]


class Preferences(Protocol):
    """What the operator chose for this machine."""

    def get(self, name: str) -> str | None:
        """The stored value of a setting such as `theme`; None when never set."""
        ...

    def set(self, name: str, value: str) -> None:
        """Store it."""
