"""Every diagnosis that rests on a text: what Kubernetes, a registry or an engine said, its cause, and what to do.

One table a source; the first rule that matches wins. `{0}` in a cause, a fix or a change is the first group of the
pattern. Texts are those of kube-scheduler, kubelet, containerd, vLLM 0.32, NIM, Hugging Face Hub and NCCL. What needs
more than a text (which node comes closest, who holds the GPUs) is found in `scheduling`, `phases` and `rollouts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from genai_tui.domain.problems import Diagnosis, FieldChange, How

CONTEXT, GPUS, MEMORY = "engine.contextLength", "resources.gpu", "resources.memory"
SHARED_MEMORY, CACHE_SIZE, CACHE_CLAIM = "advanced.sharedMemory", "advanced.cache.size", "advanced.cache.claim"
ARGUMENTS, ENVIRONMENT, SELECTOR = "advanced.extraArgs", "advanced.env", "advanced.nodeSelector"
BUDGET, STRATEGY = "engine.startupBudgetSeconds", "advanced.strategy"
IMAGE, PULL_SECRET = "engine.image", "engine.ngc.pullSecret"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that goes wrong and how it is recognized.

    Attributes:
        name: short and stable; failures of the sandbox are staged under the same names.
        pattern: what the text has.
        cause: plain words; the groups of the pattern go in.
        fix: what to do.
        changes: what of the fix the edit form can hold.
    """

    name: str
    pattern: re.Pattern[str]
    cause: str
    fix: str
    changes: tuple[FieldChange, ...] = ()

    def read(self, text: str, evidence: str) -> Diagnosis | None:
        """What the text means by this rule; None when it does not match."""
        match = self.pattern.search(text)
        if match is None:
            return None
        groups = [_plain(group or "") for group in match.groups()]
        changes = tuple(FieldChange(c.field, c.value.format(*groups), c.how) for c in self.changes)
        return Diagnosis(self.cause.format(*groups), evidence, self.fix.format(*groups), changes)


def explain(rules: Iterable[Rule], text: str, evidence: str | None = None) -> Diagnosis | None:
    """What the first rule that matches says; None when none does. The text itself is the evidence unless given."""
    said = text if evidence is None else evidence
    return next((found for rule in rules if (found := rule.read(text, said)) is not None), None)


_NUMBER = re.compile(r"\d[\d,]*")


def _plain(group: str) -> str:
    """A group as it is shown: numbers without separators."""
    text = group.strip()
    return text.replace(",", "") if _NUMBER.fullmatch(text) else text


def _rule(name: str, pattern: str, cause: str, fix: str, *changes: FieldChange, flags: re.RegexFlag | int = 0) -> Rule:
    return Rule(name, re.compile(pattern, flags), cause, fix, changes)


def _set(field: str, value: str) -> FieldChange:
    return FieldChange(field, value)


def _visit(field: str) -> FieldChange:
    return FieldChange(field, how=How.VISIT)


def _double(field: str) -> FieldChange:
    return FieldChange(field, how=How.DOUBLE)


# The engine's own words -----------------------------------------------------------------------------------------------

_SHORTER = "set the context length to {1} or auto, or give it more GPU memory"

ENGINE = (
    _rule(
        "context-over-kv-cache",
        r"max seq len \(([\d,]+)\).*estimated maximum model length is ([\d,]+)",
        "context {0} exceeds what the KV cache holds ({1})",
        _SHORTER,
        _set(CONTEXT, "{1}"),
    ),
    _rule(
        "context-over-kv-cache",
        r"max seq len \(([\d,]+)\) is larger than the maximum number of tokens that can be stored in KV cache "
        r"\(([\d,]+)\)",
        "context {0} exceeds KV cache {1}",
        _SHORTER,
        _set(CONTEXT, "{1}"),
    ),
    _rule(
        "context-over-kv-cache",
        r"max seq len \(([\d,]+)\).*larger than the available KV cache memory",
        "context {0} exceeds the KV cache",
        "set the context length lower or to auto, or give it more GPU memory",
        _set(CONTEXT, "auto"),
    ),
    _rule(
        "context-over-model",
        r"max_model_len \(([\d,]+)\) is greater than the derived max_model_len \(\D*([\d,]+)",
        "context {0} exceeds the model's maximum {1}",
        "set the context length to {1} or auto",
        _set(CONTEXT, "{1}"),
    ),
    _rule(
        "oom-kv-cache",
        r"No available memory for the cache blocks",
        "no GPU memory is left for the KV cache after loading the weights",
        "use more GPUs, a smaller or quantized model, or a higher --gpu-memory-utilization",
        _double(GPUS),
    ),
    _rule(
        "gpu-not-free",
        r"Free memory on device\b.*?\(([\d.]+)/([\d.]+) GiB\).*less than desired GPU memory utilization \(([\d.]+)",
        "only {0} of {1} GiB of GPU memory are free at its start: something else uses the GPU",
        "free the GPU of what else runs on it, or set --gpu-memory-utilization lower than {2}",
        _visit(ARGUMENTS),
    ),
    _rule(
        "no-bfloat16",
        r"Bfloat16 is only supported on GPUs with compute capability of at least ([\d.]+).*?Your (.+?) GPU",
        "the GPU {1} cannot compute in bfloat16: that needs compute capability {0}",
        "compute in float16 (--dtype=half), or use a newer GPU",
        FieldChange(ARGUMENTS, "--dtype=half", How.ADD),
    ),
    _rule(
        "no-bfloat16",
        r"Bfloat16 is only supported on GPUs with compute capability of at least ([\d.]+)",
        "the GPU cannot compute in bfloat16: that needs compute capability {0}",
        "compute in float16 (--dtype=half), or use a newer GPU",
        FieldChange(ARGUMENTS, "--dtype=half", How.ADD),
    ),
    _rule(
        "cuda-oom",
        r"(?:CUDA out of memory|OutOfMemoryError)",
        "the model does not fit into GPU memory",
        "use more GPUs, a smaller or quantized model, or a shorter context",
        _double(GPUS),
    ),
    _rule(
        "heads-not-divisible",
        r"Total number of attention heads \((\d+)\) must be divisible by tensor parallel size \((\d+)\)",
        "{1} GPUs do not divide the model's {0} attention heads",
        "set GPUs to a divisor of {0}",
        FieldChange(GPUS, "{0}", How.DIVIDE),
    ),
    _rule(
        "too-few-gpus",
        r"tensor parallel size \((\d+)\) (?:cannot be larger than|is larger than|exceeds).*?(\d+)",
        "{0} GPUs are asked for, {1} are there",
        "ask for {0} GPUs, or split the model over {1}",
        _set(GPUS, "{0}"),
    ),
    _rule(
        "too-few-gpus",
        r"World size \((\d+)\) is larger than the number of available GPUs \((\d+)\)",
        "the engine splits the model over {0} GPUs, and has {1}",
        "ask for {0} GPUs, or split the model over {1}",
        _set(GPUS, "{0}"),
    ),
    _rule(
        "serve-repeated",
        r"unrecognized arguments: (serve)\b",
        "the arguments repeat `serve`, which the image already runs",
        "remove serve from the arguments",
        FieldChange(ARGUMENTS, "serve", How.REMOVE),
    ),
    _rule(
        "serve-repeated",
        r"unrecognized arguments: ([^-\s]\S*)",
        "the argument '{0}' has no option before it; the image already runs `vllm serve`",
        "remove serve and the model from the extra arguments",
        FieldChange(ARGUMENTS, "serve", How.REMOVE),
        FieldChange(ARGUMENTS, "{0}", How.REMOVE),
    ),
    _rule(
        "bad-argument",
        r"unrecognized arguments: ((--[\w-]+).*)",
        "the engine does not know {0}",
        "correct or remove the extra engine argument",
        FieldChange(ARGUMENTS, "{1}", How.REMOVE),
    ),
    _rule(
        "bad-argument",
        r"unrecognized arguments: (.+)",
        "the engine does not know {0}",
        "correct or remove the extra engine argument",
    ),
    _rule(
        "bad-argument-value",
        r"error: argument (--[\w-]+)(?:/\S+)*: (.+)",
        "{0}: {1}",
        "correct the extra engine argument",
        FieldChange(ARGUMENTS, "{0}", How.REMOVE),
    ),
    _rule(
        "service-link-clash",
        r"VLLM_PORT '([^']+)' appears to be a URI",
        "a Service called vllm sets VLLM_PORT to an address",
        "rename that Service, or set enableServiceLinks: false",
        FieldChange(ENVIRONMENT, "VLLM_PORT=", How.REMOVE),
    ),
    _rule(
        "gated-no-access",
        r"(?:403 Client Error|not in the authorized list|awaiting a review)",
        "the model is gated, and the account of its token has no access",
        "accept the model's licence on its page with the account that HF_TOKEN belongs to, then restart",
        _visit(ENVIRONMENT),
    ),
    _rule(
        "gated-model",
        r"(?:Access to model \S+ is restricted|Cannot access gated repo|GatedRepoError)",
        "the model is gated, and there is no token, or a wrong one",
        "set HF_TOKEN from a Secret; its account must have accepted the model's licence",
        FieldChange(ENVIRONMENT, "HF_TOKEN=secret:hf/token", How.ADD),
    ),
    _rule(
        "hub-refused",
        r"(?:401 Client Error|RepositoryNotFoundError|Invalid (?:credentials|username or password))",
        "the model hub refused: the repository does not exist, or the token is wrong",
        "check the repository's name and HF_TOKEN",
    ),
    _rule(
        "disk-full",
        r"No space left on device|\(os error 28\)|\[Errno 28\]",
        "the disk that takes the model's files is full",
        "give it a larger cache volume, which its storage class must allow once it is made; or make room on the node's "
        "disk",
        _double(CACHE_SIZE),
    ),
    _rule(
        "hub-offline",
        r"(?:LocalEntryNotFoundError|OfflineModeIsEnabled|couldn't connect to|Failed to resolve|MaxRetryError)",
        "the model's files are not here and the hub cannot be reached",
        "allow the node out, or use a storage source",
    ),
    _rule(
        "model-not-found",
        r"HFValidationError|is not a valid model identifier|is not a local folder",
        "the model's path or repository does not exist",
        "correct the model's source",
    ),
    _rule(
        "registry-refused",
        r"(?:payment required|insufficient_scope|unauthorized: authentication required)",
        "the registry refused: the pull secret is wrong, or its key has no right to this image",
        "check the pull secret (user $oauthtoken, the NGC key as password) and the key's entitlement",
    ),
    _rule(
        "nim-profile",
        r"Unknown profiles? provided|No compatible profiles? found|could not find any compatible profile",
        "the NIM image has no profile for this GPU",
        "choose a listed profile, or another GPU or image",
        FieldChange(ENVIRONMENT, "NIM_MODEL_PROFILE=", How.REMOVE),
    ),
    _rule(
        "ngc-key",
        r"(?:Authentication Error|invalid.*NGC_API_KEY|NGC_API_KEY.*(?:not set|required|invalid))",
        "the NGC API key is missing or refused",
        "check the Secret that holds NGC_API_KEY",
    ),
    _rule(
        "shm-too-small",
        r"Error while creating shared memory segment (/dev/shm/\S+)",
        "shared memory is too small for NCCL",
        "raise the shared memory size",
        _double(SHARED_MEMORY),
    ),
    _rule(
        "port-in-use",
        r"(?i)address already in use",
        "the engine's port is taken in the pod",
        "remove the extra argument that sets a port",
        FieldChange(ARGUMENTS, "--port", How.REMOVE),
    ),
)

# The registry's words, as the kubelet hands them on -------------------------------------------------------------------

PULL = tuple(
    _rule(name, pattern, cause, fix, _visit(PULL_SECRET if name == "pull-secret" else IMAGE), flags=re.IGNORECASE)
    for name, pattern, cause, fix in (
        (
            "image-platform",
            "no match for platform in manifest|no matching manifest for",
            "the image is not made for this kind of node (its processor or system)",
            "take an image that is, or select other nodes",
        ),
        (
            "registry-certificate",
            "x509:|failed to verify certificate",
            "the node does not trust the registry's certificate",
            "add its authority to the node's container runtime, or use a mirror",
        ),
        (
            "registry-without-tls",
            "server gave HTTP response to HTTPS client",
            "the registry speaks plain HTTP, and the node expects HTTPS",
            "give the registry a certificate, or allow it as insecure in the node's container runtime",
        ),
        (
            "ngc-entitlement",
            "payment required|insufficient_scope",
            "the registry key is not entitled to this image",
            "accept its licence, or use a key with access",
        ),
        (
            "pull-limit",
            "toomanyrequests|pull rate limit",
            "the registry allows no more pulls for now",
            "wait, log in with a pull secret, or use a mirror",
        ),
        (
            "pull-secret",
            "unauthorized|authentication|denied|invalid username|forbidden",
            "the registry refused the pull credentials",
            "check the pull secret of this namespace",
        ),
        ("image-not-found", "not found|manifest unknown", "the image does not exist", "correct the image name or tag"),
        (
            "registry-unreachable",
            "no such host|server misbehaving|timeout|deadline exceeded|connection re(?:fused|set)|no route to host",
            "the registry cannot be reached from the node",
            "check the node's network, or use a mirror",
        ),
        (
            "image-name",
            "invalid reference format|InvalidImageName",
            "the image name is not valid",
            "correct the image name",
        ),
        (
            "disk-full-on-node",
            "no space left on device",
            "the node's disk is full",
            "make room on the node, or add one",
        ),
    )
)

# The kubelet's words about a container or a pod -----------------------------------------------------------------------

CONFIGURATION = (
    _rule(
        "secret-missing",
        r'(?i)(secret|configmap) "([^"]+)" not found',
        '{0} "{1}" not found',
        "create the {0} {1} in this namespace",
        _visit(ENVIRONMENT),
    ),
    _rule(
        "secret-key-missing",
        r"couldn't find key (\S+) in (Secret|ConfigMap) (\S+)",
        "the {1} {2} has no key {0}",
        "add the key {0} to it, or name another key",
        _visit(ENVIRONMENT),
    ),
)
PROBES = (
    _rule(
        "probe-kills",
        "failed startup probe",
        "killed while loading: the start-up budget is too short",
        "raise the start-up budget",
        _double(BUDGET),
    ),
    _rule(
        "liveness-kills",
        "failed liveness probe",
        "killed: it stopped answering its liveness probe",
        "see its previous log",
    ),
)
ENDED = (
    _rule(
        "oom-killed",
        "^OOMKilled",
        "killed: out of memory",
        "raise the memory limit; /dev/shm counts against it",
        _double(MEMORY),
    ),
)
MOUNTS = (
    _rule("mount-missing", r'(?i)(secret|configmap) "([^"]+)" not found',
          'its volume cannot be mounted: the {0} "{1}" does not exist', "create the {0} {1} in this namespace"),
    _rule("mount", "", "its volume cannot be mounted", "check the volume claim"),
)  # fmt: skip
DISRUPTIONS = (
    _rule(
        "preempted",
        r"^Preempted",
        "a pod of higher priority took the place of its last one",
        "give it a priority class, or free GPUs",
    ),
    _rule("evicted", r"^Evicted", "its last pod was evicted from its node", "make room on the node, or ask for less"),
    _rule(
        "evicted",
        r"^TaintManagerEviction",
        "its last pod was evicted from a tainted node",
        "look after the node, or add a toleration",
    ),
)

# The scheduler's words; those that name a resource are read in `scheduling` -------------------------------------------

SCHEDULING_FIRST = (
    _rule(
        "volume-missing",
        r'persistentvolumeclaim "([^"]+)" not found',
        "the volume claim {0} does not exist",
        "create the claim {0}",
        _set(CACHE_CLAIM, ""),
    ),
    _rule(
        "volume-elsewhere",
        "volume node affinity conflict",
        "its volume is bound to another node or zone",
        "use a volume it can reach",
        _visit(CACHE_CLAIM),
    ),
    _rule(
        "no-nodes",
        "no nodes available to schedule pods",
        "the cluster has no node that takes pods",
        "add a node, or see what ails those there are",
    ),
    _rule("too-many-pods", "Too many pods", "the nodes that fit hold as many pods as they may", "add a node"),
)
SCHEDULING = (
    _rule(
        "pod-anti-affinity",
        "anti-affinity",
        "every fitting node has a pod it must stay away from",
        "relax the pod anti-affinity",
        _set("advanced.podAffinity", ""),
    ),
    _rule(
        "pod-affinity",
        "pod affinity",
        "no node satisfies the pod affinity",
        "relax the pod affinity",
        _set("advanced.podAffinity", ""),
    ),
    _rule(
        "node-selector",
        "node affinity/selector|node selector",
        "no node matches the node selector",
        "correct the node selector, or label a node",
        _visit(SELECTOR),
    ),
)
SCHEDULING_LAST = (
    _rule("cordoned", "unschedulable", "the nodes that fit are cordoned", "uncordon a node", _visit(SELECTOR)),
)

# The controllers' words -----------------------------------------------------------------------------------------------

REFUSED = (
    _rule(
        "quota",
        r"exceeded quota: ([^,\s]+), requested: (\S+), used: (\S+), limited: (\S+)",
        "the namespace's quota is used up: {0} allows {3}, in use are {2}, and it asks for {1}",
        "raise the quota, or ask for less",
        _visit(GPUS),
    ),
    _rule(
        "quota", "exceeded quota", "the namespace's quota is used up", "raise the quota, or ask for less", _visit(GPUS)
    ),
    _rule(
        "policy",
        r"^(.*)$",
        "pods cannot be created: {0}",
        "change what the message names, or ask who set the rule",
        flags=re.DOTALL,
    ),
)
