"""The address of a client: its parsing, and whether it lies in a network."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

_LONGEST = 45
"""Maximum length of an address: IPv6 with an embedded IPv4 address."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Prefix in which a NAT64 translator embeds the client's IPv4 address (RFC 6052)."""
IPV6_PREFIX = 64
"""Prefix length in bits: whoever has one IPv6 address usually has its whole network."""


def network_of(address: str) -> str:
    """The text by which a client is counted; an invalid address is counted as it is."""
    return _network_of(address) if len(address) <= _LONGEST else address


@lru_cache(maxsize=4_096)
def _network_of(address: str) -> str:
    peer = _parsed(address)
    if isinstance(peer, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((peer, IPV6_PREFIX), strict=False))
    return address if peer is None else str(peer)


def address_in(text: str) -> str | None:
    """Parse an address into one canonical spelling, without a zone; None if it is invalid."""
    address = text.partition("%")[0]
    return _spelled(address) if len(address) <= _LONGEST else None


@lru_cache(maxsize=4_096)
def _spelled(address: str) -> str | None:
    peer = _parsed(address)
    return None if peer is None else str(peer)


def is_within(address: str, networks: Sequence[str]) -> bool:
    """Whether an address lies in one of these networks (CIDR)."""
    peer = _parsed(address)
    return peer is not None and any(peer in _network(network) for network in networks)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address; IPv4 if it was mapped into IPv6 or embedded by NAT64."""
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return None
    if not isinstance(peer, ipaddress.IPv6Address):
        return peer
    if peer.ipv4_mapped:
        return peer.ipv4_mapped
    if peer in NAT64:
        inner = ipaddress.IPv4Address(int(peer) & 0xFFFF_FFFF)
        if inner.is_global:  # translators embed no others, so this one is forged
            return inner
    return peer


@lru_cache(maxsize=256)
def _network(network: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(network)
