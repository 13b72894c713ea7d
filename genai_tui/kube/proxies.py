"""Which proxy leads to the cluster, as kubectl decides it: proxy-url, else HTTPS_PROXY and NO_PROXY.

Rules of NO_PROXY: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config (host names, IP addresses, CIDR blocks).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from genai_tui.errors import BadInput
from genai_tui.known_secrets import remember_url

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEMES = ("http", "https", "socks5", "socks5h")


def proxy_for(server: str, proxy_url: str | None, environment: Mapping[str, str]) -> str | None:
    """The proxy to use for `server`; None for none.

    Raises:
        BadInput: the proxy's address cannot be used.
    """
    proxy = proxy_url or _from_environment(server, environment)
    if proxy is None:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    remember_url(proxy)
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        source = "proxy-url of the kubeconfig" if proxy_url else "HTTPS_PROXY"
        # Not quoted: it may hold a password.
        raise BadInput(f"{source} is not the address of a proxy", why=f"known are {', '.join(_SCHEMES)}")
    return proxy


def _from_environment(server: str, environment: Mapping[str, str]) -> str | None:
    url = urlsplit(server)
    name = "HTTPS_PROXY" if url.scheme == "https" else "HTTP_PROXY"
    proxy = environment.get(name) or environment.get(name.lower())
    without = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    host = url.hostname or ""
    if not proxy or _is_loopback(host):
        return None
    port = url.port or _DEFAULT_PORTS[url.scheme]
    return None if any(_excepts(entry.strip().lower(), host, port) for entry in without.split(",")) else proxy


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _excepts(entry: str, host: str, port: int) -> bool:
    """Whether one entry of NO_PROXY names the host."""
    if not entry or entry == "*":
        return bool(entry)
    address = _address(host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    if _address(entry) is None and entry.rpartition(":")[2].isdigit():
        entry, _, wanted = entry.rpartition(":")
        if int(wanted) != port:
            return False
    entry = entry.strip("[]")
    if address is not None:
        return _address(entry) == address
    if entry.startswith(("*.", ".")):
        return host.endswith(entry.lstrip("*"))
    return host == entry or host.endswith(f".{entry}")
