"""Connections that only go where a shop may stand."""

import ipaddress
import socket

from django.utils.translation import gettext as _
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .errors import WooCommerceError


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, also when it is wrapped in IPv6."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if not inner and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner and not is_public(str(inner)):
            return False
    return ip.is_global and not ip.is_multicast


class PublicOnly:
    """Resolves the name itself and connects to that very address: the name can't mean another one a moment later."""

    def _new_conn(self):
        name = self._dns_host
        try:
            found = socket.getaddrinfo(name, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            return super()._new_conn()  # fails likewise, in urllib3's own words
        addresses = [info[4][0] for info in found]
        if not all(is_public(address) for address in addresses):
            raise WooCommerceError(
                _(
                    "%(host)s is an address inside a private network. Allow it for this shop (--insecure) if that is what you want."
                )
                % {"host": name},
                permanent=True,
            )
        self._dns_host = addresses[0]
        try:
            return super()._new_conn()
        finally:
            self._dns_host = name


class PublicHTTPConnection(PublicOnly, HTTPConnection):
    pass


class PublicHTTPSConnection(PublicOnly, HTTPSConnection):
    pass


class PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = PublicHTTPConnection


class PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = PublicHTTPSConnection


class PublicAdapter(HTTPAdapter):
    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": PublicHTTPPool, "https": PublicHTTPSPool}
