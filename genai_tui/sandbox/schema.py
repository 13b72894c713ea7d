"""What the fields of the served kinds are: for strict decoding, merging by key, managed fields and OpenAPI.

Names, types, list types and merge keys are those of the Kubernetes API reference (x-kubernetes-list-type, -map-keys,
-patch-merge-key). Fields that nothing here looks into are `ANY`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A type: `obj` with fields, `map` or `list` of items, or a scalar.

    `keys` makes a list associative (server-side apply); `merge_key` is the strategic merge patch's key; `atomic`
    objects, maps and lists are owned and replaced as one.
    """

    type: str
    fields: Mapping[str, Node] = field(default_factory=dict)
    item: Node | None = None
    keys: tuple[str, ...] = ()
    merge_key: str = ""
    atomic: bool = False


STR, INT, BOOL, ANY, QUANTITY, INT_OR_STR = (Node(t) for t in ("str", "int", "bool", "any", "quantity", "intorstr"))
NUMBER = Node("number")


def obj(**fields: Node) -> Node:
    """An object; a trailing underscore keeps a Python keyword apart."""
    return Node("obj", {name.rstrip("_"): node for name, node in fields.items()})


def one(**fields: Node) -> Node:
    """An atomic object."""
    return Node("obj", {name.rstrip("_"): node for name, node in fields.items()}, atomic=True)


def map_of(item: Node, *, atomic: bool = False) -> Node:
    """A map from text."""
    return Node("map", item=item, atomic=atomic)


def list_of(item: Node) -> Node:
    """An atomic list."""
    return Node("list", item=item, atomic=True)


def by(item: Node, *keys: str, merge: str = "") -> Node:
    """An associative list."""
    return Node("list", item=item, keys=keys, merge_key=merge or keys[0])


SET = Node("set", item=STR)
STRINGS = list_of(STR)
LABELS = map_of(STR)

EXPRESSION = obj(key=STR, operator=STR, values=STRINGS)
SELECTOR = one(matchLabels=LABELS, matchExpressions=list_of(EXPRESSION))
OPEN_SELECTOR = one(matchLabels=LABELS, matchExpressions=list_of(EXPRESSION))
LOCAL_REF = one(name=STR)
KEY_REF = one(name=STR, key=STR, optional=BOOL)

HTTP_GET = obj(path=STR, port=INT_OR_STR, host=STR, scheme=STR, httpHeaders=list_of(obj(name=STR, value=STR)))
PROBE = obj(
    httpGet=HTTP_GET, exec=obj(command=STRINGS), tcpSocket=obj(port=INT_OR_STR, host=STR),
    grpc=obj(port=INT, service=STR), initialDelaySeconds=INT, timeoutSeconds=INT, periodSeconds=INT,
    successThreshold=INT, failureThreshold=INT, terminationGracePeriodSeconds=INT,
)  # fmt: skip
HANDLER = obj(
    exec=obj(command=STRINGS), httpGet=HTTP_GET, sleep=obj(seconds=INT), tcpSocket=obj(port=INT_OR_STR, host=STR)
)
ENV = obj(
    name=STR, value=STR,
    valueFrom=obj(secretKeyRef=KEY_REF, configMapKeyRef=KEY_REF, fieldRef=ANY, resourceFieldRef=ANY, fileKeyRef=ANY),
)  # fmt: skip
RESOURCES = obj(limits=map_of(QUANTITY), requests=map_of(QUANTITY), claims=by(obj(name=STR, request=STR), "name"))
SECURITY = obj(
    runAsUser=INT, runAsGroup=INT, runAsNonRoot=BOOL, fsGroup=INT, fsGroupChangePolicy=STR, privileged=BOOL,
    allowPrivilegeEscalation=BOOL, readOnlyRootFilesystem=BOOL, capabilities=ANY, seccompProfile=ANY,
    supplementalGroups=list_of(INT), seLinuxOptions=ANY, appArmorProfile=ANY, procMount=STR, sysctls=ANY,
    windowsOptions=ANY, supplementalGroupsPolicy=STR, seLinuxChangePolicy=STR,
)  # fmt: skip
MOUNT = obj(
    name=STR, mountPath=STR, subPath=STR, subPathExpr=STR, readOnly=BOOL, mountPropagation=STR, recursiveReadOnly=STR
)
PORT = obj(name=STR, containerPort=INT, hostPort=INT, protocol=STR, hostIP=STR)
CONTAINER = obj(
    name=STR, image=STR, imagePullPolicy=STR, command=STRINGS, args=STRINGS, workingDir=STR,
    env=by(ENV, "name"), envFrom=list_of(ANY), ports=by(PORT, "containerPort", "protocol", merge="containerPort"),
    resources=RESOURCES, resizePolicy=ANY, restartPolicy=STR, restartPolicyRules=ANY,
    volumeMounts=by(MOUNT, "mountPath"), volumeDevices=by(obj(name=STR, devicePath=STR), "devicePath"),
    livenessProbe=PROBE, readinessProbe=PROBE, startupProbe=PROBE,
    lifecycle=obj(postStart=HANDLER, preStop=HANDLER, stopSignal=STR), securityContext=SECURITY,
    stdin=BOOL, stdinOnce=BOOL, tty=BOOL, terminationMessagePath=STR, terminationMessagePolicy=STR,
)  # fmt: skip
VOLUME = obj(
    name=STR, emptyDir=obj(medium=STR, sizeLimit=QUANTITY),
    persistentVolumeClaim=obj(claimName=STR, readOnly=BOOL), configMap=ANY, secret=ANY, hostPath=ANY, projected=ANY,
    downwardAPI=ANY, ephemeral=ANY, csi=ANY, nfs=ANY, image=ANY,
)  # fmt: skip
TOLERATION = obj(key=STR, operator=STR, value=STR, effect=STR, tolerationSeconds=INT)
POD_TERM = obj(
    labelSelector=OPEN_SELECTOR, topologyKey=STR, namespaces=STRINGS, namespaceSelector=OPEN_SELECTOR,
    matchLabelKeys=STRINGS, mismatchLabelKeys=STRINGS,
)  # fmt: skip
POD_TERMS = obj(
    requiredDuringSchedulingIgnoredDuringExecution=list_of(POD_TERM),
    preferredDuringSchedulingIgnoredDuringExecution=list_of(obj(weight=INT, podAffinityTerm=POD_TERM)),
)
NODE_TERM = one(matchExpressions=list_of(EXPRESSION), matchFields=list_of(EXPRESSION))
AFFINITY = obj(
    nodeAffinity=obj(
        requiredDuringSchedulingIgnoredDuringExecution=one(nodeSelectorTerms=list_of(NODE_TERM)),
        preferredDuringSchedulingIgnoredDuringExecution=list_of(obj(weight=INT, preference=NODE_TERM)),
    ),
    podAffinity=POD_TERMS,
    podAntiAffinity=POD_TERMS,
)
POD_SPEC = obj(
    containers=by(CONTAINER, "name"), initContainers=by(CONTAINER, "name"), ephemeralContainers=by(ANY, "name"),
    volumes=by(VOLUME, "name"), nodeName=STR, nodeSelector=map_of(STR, atomic=True),
    tolerations=list_of(TOLERATION), affinity=AFFINITY, restartPolicy=STR, terminationGracePeriodSeconds=INT,
    activeDeadlineSeconds=INT, dnsPolicy=STR, dnsConfig=ANY, serviceAccountName=STR, serviceAccount=STR,
    automountServiceAccountToken=BOOL, hostNetwork=BOOL, hostPID=BOOL, hostIPC=BOOL, hostUsers=BOOL,
    shareProcessNamespace=BOOL, securityContext=SECURITY, imagePullSecrets=by(LOCAL_REF, "name"), hostname=STR,
    hostnameOverride=STR, subdomain=STR, schedulerName=STR, hostAliases=by(obj(ip=STR, hostnames=STRINGS), "ip"),
    priorityClassName=STR, priority=INT, readinessGates=list_of(ANY), runtimeClassName=STR, enableServiceLinks=BOOL,
    preemptionPolicy=STR, overhead=map_of(QUANTITY),
    topologySpreadConstraints=by(ANY, "topologyKey", "whenUnsatisfiable", merge="topologyKey"),
    setHostnameAsFQDN=BOOL, os=ANY, schedulingGates=by(obj(name=STR), "name"), resourceClaims=by(ANY, "name"),
    resources=RESOURCES, workloadRef=ANY,
)  # fmt: skip
OWNER = one(apiVersion=STR, kind=STR, name=STR, uid=STR, controller=BOOL, blockOwnerDeletion=BOOL)
META = obj(
    name=STR, generateName=STR, namespace=STR, selfLink=STR, uid=STR, resourceVersion=STR, generation=INT,
    creationTimestamp=STR, deletionTimestamp=STR, deletionGracePeriodSeconds=INT, labels=LABELS, annotations=LABELS,
    ownerReferences=by(OWNER, "uid"), finalizers=SET, managedFields=list_of(ANY),
)  # fmt: skip
TEMPLATE = obj(metadata=META, spec=POD_SPEC)
CONDITIONS = by(
    obj(
        type=STR, status=STR, reason=STR, message=STR, lastTransitionTime=STR, lastUpdateTime=STR, lastProbeTime=STR,
        lastHeartbeatTime=STR, observedGeneration=INT,
    ),
    "type",
)  # fmt: skip
STATUS = obj(conditions=CONDITIONS)
ROLLING = obj(maxSurge=INT_OR_STR, maxUnavailable=INT_OR_STR, partition=INT)
OPEN_STATUS = Node("openobj", {"conditions": CONDITIONS})


def kind(**fields: Node) -> Node:
    """A whole object."""
    return obj(apiVersion=STR, kind=STR, metadata=META, **fields)


KINDS: dict[str, Node] = {
    "Deployment": kind(
        spec=obj(
            replicas=INT, selector=SELECTOR, template=TEMPLATE, strategy=obj(type=STR, rollingUpdate=ROLLING),
            minReadySeconds=INT, revisionHistoryLimit=INT, paused=BOOL, progressDeadlineSeconds=INT,
        ),
        status=OPEN_STATUS,
    ),
    "ReplicaSet": kind(
        spec=obj(replicas=INT, selector=SELECTOR, template=TEMPLATE, minReadySeconds=INT), status=OPEN_STATUS
    ),
    "Pod": kind(spec=POD_SPEC, status=OPEN_STATUS),
    "Service": kind(
        spec=obj(
            type=STR, selector=map_of(STR, atomic=True), clusterIP=STR, clusterIPs=STRINGS, sessionAffinity=STR,
            ports=by(
                obj(name=STR, protocol=STR, port=INT, targetPort=INT_OR_STR, nodePort=INT, appProtocol=STR),
                "port", "protocol", merge="port",
            ),
            externalName=STR, externalIPs=STRINGS, externalTrafficPolicy=STR, internalTrafficPolicy=STR,
            ipFamilies=STRINGS, ipFamilyPolicy=STR, loadBalancerIP=STR, loadBalancerClass=STR,
            loadBalancerSourceRanges=STRINGS, allocateLoadBalancerNodePorts=BOOL, healthCheckNodePort=INT,
            publishNotReadyAddresses=BOOL, sessionAffinityConfig=ANY, trafficDistribution=STR,
        ),
        status=OPEN_STATUS,
    ),
    "ConfigMap": kind(data=LABELS, binaryData=LABELS, immutable=BOOL),
    "Secret": kind(data=LABELS, stringData=LABELS, type=STR, immutable=BOOL),
    "PersistentVolumeClaim": kind(
        spec=obj(
            accessModes=STRINGS, resources=RESOURCES, storageClassName=STR, volumeMode=STR, volumeName=STR,
            selector=OPEN_SELECTOR, dataSource=ANY, dataSourceRef=ANY, volumeAttributesClassName=STR,
        ),
        status=OPEN_STATUS,
    ),
    "Namespace": kind(spec=obj(finalizers=STRINGS), status=OPEN_STATUS),
    "Node": kind(
        spec=obj(
            taints=list_of(obj(key=STR, value=STR, effect=STR, timeAdded=STR)), unschedulable=BOOL, podCIDR=STR,
            podCIDRs=SET, providerID=STR, configSource=ANY, externalID=STR,
        ),
        status=OPEN_STATUS,
    ),
}  # fmt: skip


def schema_of(kind_name: str) -> Node:
    """The type of a kind; of one without an own entry only the metadata is known."""
    return KINDS.get(
        kind_name, Node("openobj", {"apiVersion": STR, "kind": STR, "metadata": META, "status": OPEN_STATUS})
    )


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that does not fit: where, what was found and what was expected; `unknown` for an unknown field."""

    path: str
    found: str
    expected: str
    unknown: bool = False


def prune(value: Any, node: Node) -> None:  # noqa: ANN401
    """Take unknown fields out. Changes `value`."""
    if isinstance(value, dict) and node.type in ("obj", "openobj", "map"):
        for name in list(value):
            inner = node.fields.get(name) or (node.item if node.type == "map" else None)
            if inner is not None:
                prune(value[name], inner)
            elif node.type == "obj":
                del value[name]
    elif isinstance(value, list):
        for child in value:
            prune(child, node.item or ANY)


_JSON = {"str": "string", "int": "number", "bool": "bool", "dict": "object", "list": "array", "float": "number"}
_GO = {"str": "string", "int": "int32", "bool": "bool", "number": "float64"}


def check(value: Any, node: Node, path: str = "") -> Iterator[Wrong]:  # noqa: ANN401
    """Everything in `value` that does not fit the type. A null always fits."""
    if value is None or node.type == "any":
        return
    if node.type in ("obj", "openobj"):
        if not isinstance(value, dict):
            yield Wrong(path, _json(value), "object")
            return
        for name, child in value.items():
            where = f"{path}.{name}" if path else name
            if name in node.fields:
                yield from check(child, node.fields[name], where)
            elif node.type == "obj":
                yield Wrong(where, "", "", unknown=True)
    elif node.type == "map":
        if not isinstance(value, dict):
            yield Wrong(path, _json(value), "map")
            return
        for name, child in value.items():
            yield from check(child, node.item or ANY, f"{path}.{name}")
    elif node.type in ("list", "set"):
        if not isinstance(value, list):
            yield Wrong(path, _json(value), "list")
            return
        for i, child in enumerate(value):
            yield from check(child, node.item or ANY, f"{path}[{i}]")
    elif not _scalar_fits(value, node.type):
        yield Wrong(path, _json(value), _GO.get(node.type, node.type))


def _json(value: object) -> str:
    return _JSON.get(type(value).__name__, type(value).__name__)


def _scalar_fits(value: object, kind_name: str) -> bool:
    if kind_name == "str":
        return isinstance(value, str)
    if kind_name == "bool":
        return isinstance(value, bool)
    if kind_name == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str | int | float) and not isinstance(value, bool)
