"""How much of an address a role sees: the help desk sees its network only (R-147, R-170)."""

from ipaddress import ip_address, ip_network

from worksgate.administration.roles import Role
from worksgate.administration.sign_in_trace.localized import without_addresses


def sees_addresses(role: Role | None) -> bool:
    """Whether somebody with this role sees whole addresses, and may ask for one."""
    return role is not None and role is not Role.HELP_DESK


def address_for(role: Role | None, address: str | None) -> str:
    """As much of an address as somebody with this role sees."""
    if sees_addresses(role):
        return address or ""
    return network_of(address or "")


def detail_for(role: Role | None, detail: str | None) -> str:
    """The text of a record, without the addresses that may be in it."""
    text = detail or ""
    return text if sees_addresses(role) else without_addresses(text)


def network_of(address: str) -> str:
    """The network of an address: whether it is the office's can be seen from it."""
    try:
        bits = 24 if ip_address(address).version == 4 else 48
    except ValueError:
        return ""
    return str(ip_network((address, bits), strict=False))
