"""The fields of the served kinds.

Names, types, list types and merge keys are those of the Kubernetes API reference (x-kubernetes-list-type, -map-keys,
-patch-merge-key). Fields that nothing here looks into are `ANY`.
"""

from __future__ import annotations

from genai_tui.sandbox.schema import (
    ANY,
    BOOL,
    INT,
    INT_OR_STR,
    LABELS,
    QUANTITY,
    SET,
    STR,
    STRINGS,
    Node,
    by,
    list_of,
    map_of,
    obj,
    one,
)  # fmt: skip

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
NETWORK_PORT = obj(protocol=STR, port=INT_OR_STR, endPort=INT)
PEER = obj(podSelector=OPEN_SELECTOR, namespaceSelector=OPEN_SELECTOR, ipBlock=obj(cidr=STR, except_=STRINGS))
RULE = obj(verbs=STRINGS, apiGroups=STRINGS, resources=STRINGS, resourceNames=STRINGS, nonResourceURLs=STRINGS)
SUBJECT = one(kind=STR, apiGroup=STR, name=STR, namespace=STR)
ROLE_REF = one(apiGroup=STR, kind=STR, name=STR)


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
    "StatefulSet": kind(
        spec=obj(
            replicas=INT, selector=SELECTOR, template=TEMPLATE, volumeClaimTemplates=list_of(ANY), serviceName=STR,
            podManagementPolicy=STR, updateStrategy=obj(type=STR, rollingUpdate=ROLLING), revisionHistoryLimit=INT,
            minReadySeconds=INT, persistentVolumeClaimRetentionPolicy=obj(whenDeleted=STR, whenScaled=STR),
            ordinals=obj(start=INT),
        ),
        status=OPEN_STATUS,
    ),
    "DaemonSet": kind(
        spec=obj(
            selector=SELECTOR, template=TEMPLATE, updateStrategy=obj(type=STR, rollingUpdate=ROLLING),
            minReadySeconds=INT, revisionHistoryLimit=INT,
        ),
        status=OPEN_STATUS,
    ),
    "Job": kind(
        spec=obj(
            parallelism=INT, completions=INT, activeDeadlineSeconds=INT, podFailurePolicy=ANY, successPolicy=ANY,
            backoffLimit=INT, backoffLimitPerIndex=INT, maxFailedIndexes=INT, selector=SELECTOR, manualSelector=BOOL,
            template=TEMPLATE, ttlSecondsAfterFinished=INT, completionMode=STR, suspend=BOOL,
            podReplacementPolicy=STR, managedBy=STR,
        ),
        status=OPEN_STATUS,
    ),
    "ServiceAccount": kind(
        secrets=by(ANY, "name"), imagePullSecrets=list_of(LOCAL_REF), automountServiceAccountToken=BOOL
    ),
    "PersistentVolume": Node("openobj", {
        "apiVersion": STR, "kind": STR, "metadata": META, "status": OPEN_STATUS,
        "spec": Node("openobj", {"capacity": map_of(QUANTITY), "accessModes": STRINGS, "storageClassName": STR,
                                 "persistentVolumeReclaimPolicy": STR, "volumeMode": STR}),
    }),
    "StorageClass": kind(
        provisioner=STR, parameters=LABELS, reclaimPolicy=STR, mountOptions=STRINGS, allowVolumeExpansion=BOOL,
        volumeBindingMode=STR, allowedTopologies=list_of(ANY),
    ),
    "NetworkPolicy": kind(
        spec=obj(
            podSelector=OPEN_SELECTOR, policyTypes=STRINGS,
            ingress=list_of(obj(ports=list_of(NETWORK_PORT), from_=list_of(PEER))),
            egress=list_of(obj(ports=list_of(NETWORK_PORT), to=list_of(PEER))),
        )
    ),
    "ResourceQuota": kind(
        spec=obj(hard=map_of(QUANTITY), scopeSelector=ANY, scopes=STRINGS), status=OPEN_STATUS
    ),
    "LimitRange": kind(spec=obj(limits=list_of(ANY))),
    "Role": kind(rules=list_of(RULE)),
    "ClusterRole": kind(rules=list_of(RULE), aggregationRule=ANY),
    "RoleBinding": kind(subjects=list_of(SUBJECT), roleRef=ROLE_REF),
    "ClusterRoleBinding": kind(subjects=list_of(SUBJECT), roleRef=ROLE_REF),
    "PriorityClass": kind(value=INT, globalDefault=BOOL, description=STR, preemptionPolicy=STR),
    "RuntimeClass": kind(handler=STR, overhead=ANY, scheduling=ANY),
    "Lease": kind(
        spec=obj(
            holderIdentity=STR, leaseDurationSeconds=INT, acquireTime=STR, renewTime=STR, leaseTransitions=INT,
            strategy=STR, preferredHolder=STR,
        )
    ),
}  # fmt: skip


CUSTOM: dict[tuple[str, str], Node] = {}
"""The types of custom kinds, by version and kind; filled by `custom`."""


def schema_of(kind_name: str, api_version: str = "") -> Node:
    """The type of a kind; of one without an own entry only the metadata is known."""
    found = CUSTOM.get((api_version, kind_name)) or KINDS.get(kind_name)
    return found or Node("openobj", {"apiVersion": STR, "kind": STR, "metadata": META, "status": OPEN_STATUS})
