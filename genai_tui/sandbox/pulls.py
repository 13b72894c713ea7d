"""Pulling images: from a node's own store or a registry, with a back-off, in the words of kubelet and containerd."""

from __future__ import annotations

from collections.abc import Callable

from genai_tui.sandbox import known
from genai_tui.sandbox.containers import Container, PodRun
from genai_tui.sandbox.environment import pull_secret_for
from genai_tui.sandbox.objects import Object, Objects
from genai_tui.sandbox.probes import Host

UNENTITLED, WRONG = "nvapi-unentitled", "nvapi-wrong"
"""Passwords for a registry that are known and may not, and that are not known."""
_UNKNOWN = "rpc error: code = Unknown desc ="
BACK_OFF_S = (10.0, 20.0, 40.0, 80.0, 160.0, 300.0)


class Puller:
    """Every node's images."""

    def __init__(self, host: Host, objects: Objects, jitter: Callable[[], float]) -> None:
        self._host, self._objects, self._jitter = host, objects, jitter
        self._present: set[tuple[str, str]] = set()

    def remember(self, node: str, image: str) -> None:
        """An image is on a node already."""
        self._present.add((node, image))

    def pull(self, run: PodRun, container: Container, pod: Object, then: Callable[[], None], attempt: int = 0) -> None:
        """Get the image and go on; when it cannot be had, say so and try again later and later."""
        reference = container.image
        if not known.valid_reference(reference):
            self._refuse_name(run, container)
            return
        policy = container.spec.get("imagePullPolicy")
        if (run.node, reference) in self._present and policy != "Always":
            text = f'Container image "{reference}" already present on machine and can be accessed by the pod'
            self._host.event(run, container, "Normal", "Pulled", text)
            container.later(self._host.clock, 0.2, then)
            return
        if policy == "Never":
            text = f'Container image "{reference}" is not present with pull policy of Never'
            self._host.event(run, container, "Warning", "ErrImageNeverPull", text)
            self._wait(run, container, "ErrImageNeverPull", text)
            return
        self._host.event(run, container, "Normal", "Pulling", f'Pulling image "{reference}"')
        image = known.image(reference)
        problem = self._problem(pod, reference, image)
        if problem:
            container.later(self._host.clock, 1.5, lambda: self._failed(run, container, pod, then, problem, attempt))
            return
        seconds = (1.0 + image.size / known.REGISTRY_BYTES_PER_S) * self._jitter()
        container.later(self._host.clock, seconds, lambda: self._pulled(run, container, image.size, seconds, then))

    def _pulled(self, run: PodRun, container: Container, size: int, seconds: float, then: Callable[[], None]) -> None:
        self._present.add((run.node, container.image))
        took = f"{seconds:.3f}s ({seconds:.3f}s including waiting)"
        text = f'Successfully pulled image "{container.image}" in {took}. Image size: {size} bytes.'
        self._host.event(run, container, "Normal", "Pulled", text)
        then()

    def _refuse_name(self, run: PodRun, container: Container) -> None:
        text = (
            f'Failed to apply default image tag "{container.image}": couldn\'t parse image name "{container.image}": '
            "invalid reference format"
        )
        self._host.event(run, container, "Warning", "InspectFailed", text)
        self._host.event(run, container, "Warning", "Failed", "Error: InvalidImageName")
        self._wait(run, container, "InvalidImageName", text)

    def _wait(self, run: PodRun, container: Container, reason: str, message: str) -> None:
        container.state = {"waiting": {"reason": reason, "message": message}}
        self._host.publish(run)

    def _problem(self, pod: Object, reference: str, image: known.Image) -> str | None:
        head = f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}"'
        if image.problem is not None:
            return f"rpc error: code = NotFound desc = {head}: {reference}: not found"
        if image.host.endswith(".invalid"):
            # RFC 2606: a name that never resolves.
            address = f"https://{image.host}/v2/{reference.split('/', 1)[-1].split(':')[0]}/manifests"
            why = f'failed to do request: Head "{address}": dial tcp: lookup {image.host}: no such host'
            return f"{_UNKNOWN} {head}: {why}"
        if not image.private:
            return None
        key = pull_secret_for(self._objects, pod, image.host)
        if key is not None and key.startswith(UNENTITLED):
            where = f"https://nvcr.io/proxy_auth?scope=repository%3A{reference.split(':')[0]}%3Apull"
            why = "failed to authorize: failed to fetch oauth token: unexpected status from GET request to"
            return f"{_UNKNOWN} {head}: {why} {where}: 402 Payment Required"
        if key is not None and not key.startswith(WRONG):
            return None
        if image.host == "nvcr.io":
            why = "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to"
            where = f"https://nvcr.io/proxy_auth?scope=repository%3A{reference.split(':')[0]}%3Apull"
            return f"rpc error: code = Unknown desc = {head}: {why} {where}: 401 Unauthorized: unauthorized: authentication required"  # noqa: E501
        why = "pull access denied, repository does not exist or may require authorization: server message"
        return f"rpc error: code = Unknown desc = {head}: {why}: insufficient_scope: authorization failed"

    def _failed(
        self, run: PodRun, container: Container, pod: Object, then: Callable[[], None], problem: str, attempt: int
    ) -> None:
        text = f'Failed to pull image "{container.image}": {problem}'
        self._host.event(run, container, "Warning", "Failed", text)
        self._host.event(run, container, "Warning", "Failed", "Error: ErrImagePull")
        self._wait(run, container, "ErrImagePull", problem)
        container.later(self._host.clock, 2, lambda: self._back_off(run, container, pod, then, problem, attempt))

    def _back_off(
        self, run: PodRun, container: Container, pod: Object, then: Callable[[], None], problem: str, attempt: int
    ) -> None:
        text = f'Back-off pulling image "{container.image}"'
        self._host.event(run, container, "Normal", "BackOff", text)
        self._host.event(run, container, "Warning", "Failed", "Error: ImagePullBackOff")
        self._wait(run, container, "ImagePullBackOff", f"{text}: ErrImagePull: {problem}")
        delay = BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)]
        container.later(self._host.clock, delay, lambda: self.pull(run, container, pod, then, attempt + 1))
