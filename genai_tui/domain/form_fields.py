"""The fields of the deployment form: what each is called, how it is typed, when it applies, what to say about it.

One table drives the wizard, its help and the documentation. The id of a field is the path of the file format
(docs/file-format.md) below `spec`, but for `name` and `namespace`, which stand in `metadata`.
"""

from __future__ import annotations

from genai_tui.domain.form_field import Choices, FieldKind, FormField

DETAILS, MODEL, ENGINE, RESOURCES = "Details", "Model and endpoint", "Engine", "Resources"
ADVANCED, LIMITS, PRICING, SHARING, REVIEW = "Advanced", "Rate limits", "Pricing", "Sharing", "Review"
TABS = (DETAILS, MODEL, ENGINE, RESOURCES, ADVANCED, LIMITS, PRICING, SHARING, REVIEW)
VLLM_IMAGE = "vllm/vllm-openai:v0.33.0"

_NIM = ("engine.type", ("nim",))
_LEVELS = (
    ("organization", "Org", "every caller of one organization together"),
    ("user", "User", "one user with all keys together"),
    ("apiKey", "API key", "one API key"),
)


def _level(key: str, label: str, who: str) -> tuple[FormField, FormField]:
    added = "" if key == "organization" else " It applies in addition to the levels above."
    return (
        FormField(
            f"rateLimits.{key}.tokensPerMinute",
            LIMITS,
            f"{label} tokens",
            f"Most tokens, prompt and answer together, that {who} may use in a minute. Empty: not limited.{added}",
            FieldKind.NUMBER,
            placeholder="not limited",
            unit="per minute",
        ),
        FormField(
            f"rateLimits.{key}.requestsPerMinute",
            LIMITS,
            f"{label} requests",
            f"Most requests that {who} may make in a minute. Empty: not limited.{added}",
            FieldKind.NUMBER,
            placeholder="not limited",
            unit="per minute",
        ),
    )


_DETAILS = (
    FormField(
        "name",
        DETAILS,
        "Name",
        "What callers put as model in a request, and the name of the Deployment and Service. Lower-case letters, "
        "digits and '-'; unique in its namespace; it cannot be changed later.",
        placeholder="e.g. chat",
        required=True,
    ),
    FormField(
        "namespace",
        DETAILS,
        "Namespace",
        "The Kubernetes namespace it runs in. Secrets and volume claims named in this form are read from there.",
        FieldKind.CHOICE,
        placeholder="e.g. team-a",
        choices=Choices.NAMESPACES,
    ),
    FormField(
        "description",
        DETAILS,
        "Description",
        "One sentence for the people who will find it in the list.",
        placeholder="e.g. chat assistant of the support team",
    ),
)

_MODEL = (
    FormField(
        "model",
        MODEL,
        "Model",
        "A model of the catalogue. A new one is added on the Models screen first.",
        FieldKind.CHOICE,
        placeholder="choose a model",
        required=True,
        choices=Choices.MODELS,
    ),
    FormField(
        "endpoint",
        MODEL,
        "Endpoint",
        "Where callers reach it: inside the cluster, or through a gateway. Endpoints are made on their own screen.",
        FieldKind.CHOICE,
        placeholder="choose an endpoint",
        required=True,
        choices=Choices.ENDPOINTS,
    ),
)

_ENGINE = (
    FormField(
        "engine.type",
        ENGINE,
        "Engine",
        "vLLM runs models of the public hub and of volumes. NVIDIA NIM runs an image of NGC, needs a licence, an NGC "
        "pull secret and an NGC API key.",
        FieldKind.CHOICE,
        initial="vllm",
        required=True,
        options=("vllm", "nim"),
    ),
    FormField(
        "engine.image",
        ENGINE,
        "Engine image",
        "The container image, pinned to a version so that a restart runs the same engine again.",
        initial=VLLM_IMAGE,
        placeholder=VLLM_IMAGE,
        required=True,
    ),
    FormField(
        "engine.replicas",
        ENGINE,
        "Replicas",
        "How many pods answer requests. Each takes its own GPUs. 0 creates it stopped.",
        FieldKind.NUMBER,
        initial="1",
        placeholder="1",
        unit="pods",
    ),
    FormField(
        "engine.contextLength",
        ENGINE,
        "Context length",
        "Longest prompt and answer together. auto takes what the model and the GPU memory allow; a smaller number "
        "leaves room for more requests at once.",
        FieldKind.TEXT,
        initial="auto",
        placeholder="auto",
        unit="tokens",
    ),
    FormField(
        "engine.promptCaching",
        ENGINE,
        "Prompt caching",
        "Keep what was computed for the beginning of prompts, so that equal beginnings are answered sooner.",
        FieldKind.SWITCH,
        initial="on",
        options=("on", "off"),
    ),
    FormField(
        "engine.startupBudgetSeconds",
        ENGINE,
        "Start-up budget",
        "How long one pod may take from container start to ready before it is restarted: 60 to 86400. Empty: sized "
        "to the model.",
        FieldKind.NUMBER,
        placeholder="sized to the model",
        unit="seconds",
        choices=Choices.STARTS,
    ),
    FormField(
        "engine.nimGeneration",
        ENGINE,
        "NIM generation",
        "Which settings the image understands: 1 for 1.x images, 2 for 2.x and later. auto reads the image's tag.",
        FieldKind.CHOICE,
        initial="auto",
        options=("auto", "1", "2"),
        when=_NIM,
    ),
    FormField(
        "engine.ngc.pullSecret",
        ENGINE,
        "NGC pull secret",
        "Secret of type docker-registry for nvcr.io, in the deployment's namespace.",
        initial="ngc-secret",
        placeholder="ngc-secret",
        when=_NIM,
    ),
    FormField(
        "engine.ngc.apiKey.name",
        ENGINE,
        "NGC key secret",
        "Secret, in the deployment's namespace, that holds the NGC API key.",
        initial="ngc-api-secret",
        placeholder="ngc-api-secret",
        when=_NIM,
    ),
    FormField(
        "engine.ngc.apiKey.key",
        ENGINE,
        "NGC key entry",
        "The key inside that Secret. The value itself is never read or written here.",
        initial="NGC_API_KEY",
        placeholder="NGC_API_KEY",
        when=_NIM,
    ),
)

_RESOURCES = (
    FormField(
        "resources.cpu",
        RESOURCES,
        "CPU",
        "Cores for each replica, such as 4 or 500m.",
        initial="4",
        placeholder="4",
        unit="cores",
        required=True,
    ),
    FormField(
        "resources.memory",
        RESOURCES,
        "Memory",
        "Main memory for each replica, such as 16Gi. Shared memory counts against it.",
        initial="16Gi",
        placeholder="16Gi",
        required=True,
    ),
    FormField(
        "resources.gpu",
        RESOURCES,
        "GPUs",
        "GPUs for each replica, all on one node; the engine splits the model over them. 0 runs without a GPU.",
        FieldKind.NUMBER,
        initial="1",
        placeholder="1",
        unit="per replica",
    ),
    FormField(
        "resources.gpuResource",
        RESOURCES,
        "GPU resource",
        "What the nodes call their GPUs; a MIG slice has a name of its own, such as nvidia.com/mig-1g.10gb.",
        FieldKind.CHOICE,
        initial="nvidia.com/gpu",
        placeholder="nvidia.com/gpu",
        choices=Choices.GPU_RESOURCES,
    ),
    FormField(
        "advanced.sharedMemory",
        RESOURCES,
        "Shared memory",
        "Size of /dev/shm, which the engine needs when it splits a model over GPUs.",
        initial="2Gi",
        placeholder="2Gi",
    ),
    FormField(
        "advanced.cache.claim",
        RESOURCES,
        "Cache claim",
        "An existing volume claim that keeps downloaded model files between starts. Empty: none.",
        placeholder="none",
    ),
    FormField(
        "advanced.cache.size",
        RESOURCES,
        "New cache size",
        "Or the size of a new volume claim made with the deployment, such as 50Gi.",
        placeholder="none",
    ),
    FormField(
        "advanced.cache.storageClass",
        RESOURCES,
        "Storage class",
        "Storage class of the new claim. Empty: the cluster's default.",
        placeholder="the cluster's default",
    ),
)

_ADVANCED = (
    FormField(
        "advanced.env",
        ADVANCED,
        "Environment",
        "Variables of the engine, one per line: NAME=value, or NAME=secret:SECRET/KEY for a key of a Secret.",
        FieldKind.LINES,
        placeholder="e.g. HF_TOKEN=secret:hf/token",
    ),
    FormField(
        "advanced.labels",
        ADVANCED,
        "Labels",
        "Labels of the Deployment and its pods, one key=value per line.",
        FieldKind.LINES,
        placeholder="e.g. team=a",
    ),
    FormField(
        "advanced.annotations",
        ADVANCED,
        "Annotations",
        "Annotations of the Deployment and its pods, one key=value per line.",
        FieldKind.LINES,
        placeholder="e.g. example.com/owner=support",
    ),
    FormField(
        "advanced.tolerations",
        ADVANCED,
        "Tolerations",
        "Taints that the pods tolerate, one per line: key=value:NoSchedule, key:NoSchedule, key:NoExecute:300, or * "
        "for every taint.",
        FieldKind.LINES,
        placeholder="e.g. nvidia.com/gpu:NoSchedule",
        choices=Choices.TAINTS,
    ),
    FormField(
        "advanced.nodeSelector",
        ADVANCED,
        "Node selector",
        "Labels a node must have, one key=value per line.",
        FieldKind.LINES,
        placeholder="e.g. nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3",
        choices=Choices.NODE_LABELS,
    ),
    FormField(
        "advanced.podAffinity",
        ADVANCED,
        "Pod affinity",
        "near or apart, which pods, on what: near app=web on kubernetes.io/hostname. (prefer 50) at the end makes it "
        "a preference. JSON of Kubernetes is read too.",
        FieldKind.LINES,
        placeholder="e.g. apart app=web on topology.kubernetes.io/zone (prefer 50)",
        choices=Choices.TOPOLOGY,
    ),
    FormField(
        "advanced.extraArgs",
        ADVANCED,
        "Extra arguments",
        "Appended last to the engine's arguments. One or several per line, quoted as in a shell.",
        FieldKind.LINES,
        placeholder="e.g. --gpu-memory-utilization=0.9",
    ),
    FormField(
        "advanced.strategy",
        ADVANCED,
        "Rollout",
        "How pods are replaced. auto starts the new pod first where GPUs for one replica more are free; else one "
        "replica stops first, and several are replaced one by one. Surge waits for free GPUs.",
        FieldKind.CHOICE,
        initial="auto",
        options=("auto", "Recreate", "RollingUpdate", "Surge"),
    ),
    FormField(
        "advanced.runtimeClass",
        ADVANCED,
        "Runtime class",
        "RuntimeClass of the pods, where the nodes need one for GPUs. Empty: the cluster's default.",
        placeholder="the cluster's default",
    ),
)

_PRICING = (
    FormField(
        "pricing.currency",
        PRICING,
        "Currency",
        "ISO 4217 code. Amounts of different currencies are never added up.",
        FieldKind.CHOICE,
        initial="USD",
        placeholder="USD",
        choices=Choices.CURRENCIES,
    ),
    FormField(
        "pricing.inputPerMillion",
        PRICING,
        "Input tokens",
        "Price of one million prompt tokens. Leave both prices empty to keep usage without a price.",
        placeholder="no price",
        unit="per million",
    ),
    FormField(
        "pricing.outputPerMillion",
        PRICING,
        "Output tokens",
        "Price of one million answer tokens. A new price holds from when it is saved; history keeps the old one.",
        placeholder="no price",
        unit="per million",
    ),
    FormField(
        "pricing.cachedInputPerMillion",
        PRICING,
        "Cached input",
        "Price of one million prompt tokens that came from the prefix cache, where the engine tells how many did.",
        placeholder="as any input",
        unit="per million",
    ),
)

_SHARING = (
    FormField(
        "sharing.mode",
        SHARING,
        "Shared with",
        "Who may call it: no organization yet, every organization, or those you name.",
        FieldKind.CHOICE,
        initial="none",
        options=("none", "all", "organizations"),
    ),
    FormField(
        "sharing.organizations",
        SHARING,
        "Organizations",
        "Names of organizations, one per line.",
        FieldKind.LINES,
        placeholder="e.g. org-a",
        required=True,
        choices=Choices.ORGANIZATIONS,
        when=("sharing.mode", ("organizations",)),
    ),
)

DEPLOYMENT_FIELDS: tuple[FormField, ...] = (
    *_DETAILS,
    *_MODEL,
    *_ENGINE,
    *_RESOURCES,
    *_ADVANCED,
    *(field for level in _LEVELS for field in _level(*level)),
    *_PRICING,
    *_SHARING,
)
