"""The address of a peer: what counts as one, and what lies in a network."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

_LONGEST = 45
"""Characters of an address: IPv6 with an IPv4 address at its end, in full."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""In whose addresses a translator puts the IPv4 address that it was called from (RFC 6052)."""
IPV6_PREFIX = 64
"""Bits: whoever has one IPv6 address has all those of its network."""


def network_of(address: str) -> str:
    """The text by which a peer is counted; what is no address is counted as it is."""
    return _network_of(address) if len(address) <= _LONGEST else address


@lru_cache(maxsize=4_096)
def _network_of(address: str) -> str:
    peer = _parsed(address)
    if isinstance(peer, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((peer, IPV6_PREFIX), strict=False))
    return address if peer is None else str(peer)


def address_in(text: str) -> str | None:
    """The address that a text is, in one spelling and without a zone, or None."""
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
    """The address, an IPv4 one also where it came wrapped in IPv6 or through NAT64."""
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
        if inner.is_global:  # a translator takes no others, so that one was made up
            return inner
    return peer


@lru_cache(maxsize=256)
def _network(network: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(network)
