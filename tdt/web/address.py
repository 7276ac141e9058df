"""Where a client is, for the count of its failures."""

from ipaddress import IPv6Address, ip_address, ip_network

from aiohttp import web

from tdt.config import Server

NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has the whole network, and could come from a new address each time."""


def is_from_proxy(request: web.Request, server: Server) -> bool:
    """Does the request come from the proxy that may tell whose certificate it verified?

    Through the unix socket, whose rights say who may write to it, or from one of the addresses of `trusted_proxies`.
    """
    if server.client_certificate != "nginx":
        return False
    if server.listen.startswith("unix:"):
        return True
    try:
        address = ip_address((request.remote or "").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in ip_network(proxy, strict=False) for proxy in server.trusted_proxies)


def client_address(request: web.Request, behind_nginx: bool) -> str:
    """The address of the client: that of the connection, or the last one that nginx tells; empty when there is none."""
    told = request.remote or ""
    if behind_nginx:
        told = ",".join(request.headers.getall("X-Forwarded-For", [])).rpartition(",")[2]
    try:
        address = ip_address(told.strip().partition("%")[0])
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, NETWORK_BITS), strict=False))
