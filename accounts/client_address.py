"""The address of a client, for rate limits, login limits and the allow-list of the back office."""

from ipaddress import IPv4Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

CUSTOMER_BITS = 64  # of an IPv6 address; a provider assigns a whole /64 to one customer


def client_address(request: HttpRequest) -> str | None:
    """Return the client's IP address, or None if it is unknown.

    Only the entries of `X-Forwarded-For` that our own proxies appended count (`NUM_PROXIES`);
    the client can send anything before them. An IPv6 address becomes its /64 network, because
    one customer has all addresses in it.
    """
    proxies = settings.REST_FRAMEWORK["NUM_PROXIES"]
    peer = _normal(request.META.get("REMOTE_ADDR", ""))
    if not proxies:
        return peer
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return _normal(forwarded[-min(proxies, len(forwarded))]) or peer


def _normal(text: str) -> str | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address, CUSTOMER_BITS), strict=False).network_address)
