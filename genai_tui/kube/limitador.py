"""How far the limits of a deployment are used up at Kuadrant: its Limitador is asked, through a port-forward.

The API server's proxy takes `%2F` in a path for a slash, and Limitador's namespaces have one in their name.
The resource and its pods: https://github.com/Kuadrant/limitador-operator/blob/main/api/v1alpha1/limitador_types.go ,
https://github.com/Kuadrant/limitador-operator/blob/main/pkg/limitador/k8s_objects.go
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any
from urllib.parse import quote

import httpx

from genai_tui.domain.limit_use import Counters
from genai_tui.domain.rows import Ref
from genai_tui.errors import GenaiTuiError, NotFound, Unreachable
from genai_tui.kube import reach
from genai_tui.kube.connection import Connection
from genai_tui.kube.limitador_wire import limits_kept, open_windows

log = logging.getLogger(__name__)
Json = dict[str, Any]
WAIT_S = 5.0
LOOK_AGAIN_S = 20.0
"""How long it is taken for granted that Limitador still runs in the same one pod."""
NAME = "limitador"
"""The operator calls the one it makes so, and puts it beside its Kuadrant resource."""
_HTTP_PORT = 8080
_SHARED = ("redis", "redis-cached")
_Place = tuple[str, int]


class Limitador:
    """Implements `usage_ports.GatewayWindows` by asking Limitador; the port-forward stays open until `close`.

    Args:
        connection: to the cluster.
        namespace: where Kuadrant is: it has to be in that of the API keys (`docs/gateways.md`).
    """

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection, self._namespace = connection, namespace
        self._kept = contextlib.AsyncExitStack()
        self._open: tuple[_Place, reach.Route] | None = None
        self._looked = 0.0
        self._lock = asyncio.Lock()

    async def of(self, ref: Ref) -> Counters:
        """As the port says; `since` is not told, and `kept` is what Limitador has of our limits."""
        async with self._lock:
            try:
                async with asyncio.timeout(WAIT_S):
                    route = await self._way()
                    kept = limits_kept(await _get(route, "limits", ref), ref)
                    found = open_windows(await _get(route, "counters", ref), ref)
            except TimeoutError as error:
                await self._hang_up()
                raise Unreachable(f"Limitador did not answer within {WAIT_S:.0f} s") from error
            except GenaiTuiError:
                await self._hang_up()
                raise
        return Counters(None, found, kept)

    async def _way(self) -> reach.Route:
        """The forward that is open, or one to the pod that Limitador runs in now."""
        if self._open is not None and time.monotonic() - self._looked < LOOK_AGAIN_S:
            return self._open[1]
        place = await self._find()
        if self._open is None or self._open[0] != place:
            await self._hang_up()
            opening = reach.by_port_forward(self._connection, self._namespace, *place)
            self._open = place, await self._kept.enter_async_context(opening)
        self._looked = time.monotonic()
        return self._open[1]

    async def _find(self) -> _Place:
        """The pod whose counters are all there are, and its port.

        Raises:
            NotPermitted: it takes `get` on limitadors, and `list` on pods.
            Unreachable: there is none, or there are several that do not count together.
        """
        path = f"/apis/limitador.kuadrant.io/v1alpha1/namespaces/{self._namespace}/limitadors/{NAME}"
        try:
            spec = (await self._connection.get_json(path)).get("spec") or {}
        except NotFound as error:
            why = "Kuadrant's has to be in the namespace of the API keys"
            raise Unreachable(f"there is no Limitador in namespace {self._namespace}", why=why) from error
        labels = f"app=limitador,limitador-resource={NAME}"
        listed = await self._connection.get_json(f"/api/v1/namespaces/{self._namespace}/pods", labelSelector=labels)
        ready = sorted((pod for pod in listed.get("items") or () if _ready(pod)), key=_name)
        if not ready:
            raise Unreachable(f"no pod of Limitador is ready in namespace {self._namespace}")
        if len(ready) > 1 and not any((spec.get("storage") or {}).get(kind) for kind in _SHARED):
            raise Unreachable(f"Limitador runs {len(ready)} replicas that count apart")
        return _name(ready[0]), _port(ready[0])

    async def _hang_up(self) -> None:
        self._open = None
        try:
            await self._kept.aclose()
        except (GenaiTuiError, OSError) as error:
            log.info("the port-forward to Limitador did not close well: %s", error)

    async def close(self) -> None:
        """End the forward, if one is open."""
        await self._hang_up()


async def _get(route: reach.Route, what: str, ref: Ref) -> bytes:
    try:
        response = await route.client.get(f"{route.base}/{what}/{quote(str(ref), safe='')}")
    except (httpx.RemoteProtocolError, httpx.ReadError) as error:
        why = "some versions break off where more is used than a limit allows, see Kuadrant/limitador#522 and #524"
        raise Unreachable(f"Limitador gave no answer when it was asked for its {what}", why=why) from error
    except httpx.HTTPError as error:
        raise Unreachable("Limitador does not answer", why=str(error) or type(error).__name__) from error
    if not response.is_success:
        raise Unreachable(f"Limitador answered HTTP {response.status_code} when it was asked for its {what}")
    return response.content


def _name(pod: Json) -> str:
    return str(pod["metadata"]["name"])


def _ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any((one.get("type"), one.get("status")) == ("Ready", "True") for one in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _port(pod: Json) -> int:
    """The one called `http`, which the resource may have moved from 8080."""
    ports = (port for container in pod["spec"].get("containers") or () for port in container.get("ports") or ())
    return next((int(port["containerPort"]) for port in ports if port.get("name") == "http"), _HTTP_PORT)
