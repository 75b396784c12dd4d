"""LDAP servers that misbehave, or respond as OpenLDAP cannot: small listeners on the loopback.

``Listener`` hands each connection to a behaviour in a thread. ``Scripted`` is a behaviour that
speaks real LDAP and answers as a test tells it, as Active Directory would.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from worksgate.settings.sources.ldap import LdapSettings

Behaviour = Callable[["Conversation"], None]

_PULSE = 0.05
"""Seconds after which a thread looks whether the test is over."""
_SENDING_TIME = 10.0

BIND = 0x60
SEARCH = 0x63
BIND_RESPONSE = 0x61
SEARCH_ENTRY = 0x64
SEARCH_DONE = 0x65
SEARCH_REFERENCE = 0x73
EXTENDED_RESPONSE = 0x78
_JOINTS = {0xA0: "&", 0xA1: "|", 0xA2: "!"}


@dataclass(frozen=True)
class Request:
    """A message as it has come in: its number, its kind by tag, and the elements inside."""

    number: int
    kind: int
    elements: Sequence[tuple[int, bytes]]

    @classmethod
    def parse(cls, data: bytes) -> "Request":
        ((_, content),) = elements(data)
        (_, number), (kind, operation), *_ = elements(content)
        return cls(int.from_bytes(number, "big"), kind, elements(operation))


@dataclass
class Conversation:
    """One connection, from the server's side. Reading and waiting end when the listener does."""

    socket: socket.socket
    ended: threading.Event

    def requests(self) -> Iterator["Request"]:
        """The messages that come in, until the caller hangs up."""
        received = b""
        while data := self._more():
            received += data
            while len(received) > 6 and len(received) >= (size := sum(_header(received))):
                try:
                    yield Request.parse(received[:size])
                except (ValueError, IndexError):
                    return  # it is not LDAP: TLS begins
                received = received[size:]

    def send(self, data: bytes) -> None:
        self.socket.settimeout(_SENDING_TIME)
        self.socket.sendall(data)
        self.socket.settimeout(_PULSE)

    def wait(self, seconds: float = 30) -> None:
        self.ended.wait(seconds)

    def reset(self) -> None:
        """Hang up with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self) -> bytes:
        while not self.ended.is_set():
            with contextlib.suppress(TimeoutError):
                return self.socket.recv(65536)
        return b""


@dataclass
class Listener:
    """Where a misbehaving server listens, and how many connections it has seen."""

    port: int
    connections: int = 0
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def settings(self, **changes: Any) -> LdapSettings:
        """Settings that lead here, without encryption."""
        values: dict[str, Any] = {
            "name": "company",
            "servers": (self.url,),
            "allow_unencrypted_ldap_on_this_network": True,
            "base_dn": "dc=example,dc=jp",
            "bind_dn": "cn=worksgate,dc=example,dc=jp",
            "bind_password": "service password 1",
        }
        return LdapSettings(**values | changes)


@contextmanager
def listening(behaviour: Behaviour) -> Iterator[Listener]:
    """Let every connection be treated so, each in a thread."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_PULSE)
        listener = Listener(server.getsockname()[1])
        accepting = threading.Thread(target=_accept, args=(server, listener, behaviour, ended))
        accepting.start()
        try:
            yield listener
        finally:
            ended.set()
            for thread in (accepting, *listener.threads):
                thread.join(10)


@contextmanager
def full_backlog() -> Iterator[Listener]:
    """A server that accepts nobody, and whose queue is full: connecting hangs."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # the standard library's signature
            with contextlib.suppress(BlockingIOError):
                waiting.connect(server.getsockname())
        yield Listener(server.getsockname()[1])


# Behaviours


def silent(conversation: Conversation) -> None:
    conversation.wait()


def one_byte_a_second(conversation: Conversation) -> None:
    for octet in message(1, BIND_RESPONSE, result(0)):
        conversation.send(bytes((octet,)))
        conversation.wait(1)
        if conversation.ended.is_set():
            return


def resets_at_once(conversation: Conversation) -> None:
    conversation.reset()


def resets_in_the_middle_of_a_bind(conversation: Conversation) -> None:
    for request in conversation.requests():
        conversation.send(message(request.number, BIND_RESPONSE, result(0))[:5])
        conversation.reset()
        return


def hangs_up_in_the_middle_of_a_bind(conversation: Conversation) -> None:
    for request in conversation.requests():
        conversation.send(message(request.number, BIND_RESPONSE, result(0))[:5])
        return


def fifty_megabytes_in_one(conversation: Conversation) -> None:
    for _ in conversation.requests():
        conversation.send(b"\x30\x84" + struct.pack(">I", 50_000_000))
        for _ in range(50):
            conversation.send(b"\x04" * 1_000_000)


def fifty_megabytes_in_many(conversation: Conversation) -> None:
    for request in conversation.requests():
        number = request.number
        if request.kind == BIND:
            conversation.send(message(number, BIND_RESPONSE, result(0)))
            continue
        one = message(number, SEARCH_ENTRY, entry("uid=a,dc=example,dc=jp", {"uid": [b"a" * 900]}))
        for _ in range(50):
            conversation.send(one * 1_000)


def wrong_message_id(conversation: Conversation) -> None:
    for request in conversation.requests():
        number = request.number + 1
        conversation.send(message(number, BIND_RESPONSE, result(0)))


def another_answer(conversation: Conversation) -> None:
    """Success, but of a search, to a bind."""
    for request in conversation.requests():
        conversation.send(message(request.number, SEARCH_DONE, result(0)))


def success_of_something_else(conversation: Conversation) -> None:
    """Success, but of an extended operation, to a bind."""
    for request in conversation.requests():
        conversation.send(message(request.number, EXTENDED_RESPONSE, result(0)))


def answers_before_it_is_asked(conversation: Conversation) -> None:
    conversation.send(message(0, BIND_RESPONSE, result(0)))
    conversation.wait()


def says_goodbye(conversation: Conversation) -> None:
    """A notice of disconnection instead of an answer."""
    name = tlv(0x8A, b"1.3.6.1.4.1.1466.20036")
    for _ in conversation.requests():
        conversation.send(message(0, EXTENDED_RESPONSE, result(52) + name))
        return


def speaks_http(conversation: Conversation) -> None:
    for _ in conversation.requests():
        conversation.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        return


class Busy:
    """Refuses every bind for a reason that has nothing to do with the password."""

    def __init__(self, code: int) -> None:
        self._code = code

    def __call__(self, conversation: Conversation) -> None:
        for request in conversation.requests():
            answer = message(request.number, BIND_RESPONSE, result(self._code))
            conversation.send(answer)


@dataclass(frozen=True)
class Search:
    """A search as it has come in; ``limits`` are the entries and the seconds that are wanted."""

    base: str
    scope: int
    filter: str
    limits: tuple[int, int] = field(default=(0, 0), compare=False)


@dataclass
class Scripted:
    """Answers binds and searches as a test says, and keeps what it was asked.

    ``bind`` is given a name and a password, and returns a result code and a message; ``find`` is
    given a search and returns entries: a DN and values of each. With ``references`` more entries
    are said to be elsewhere, with ``redirect`` all of them.
    """

    bind: Callable[[str, bytes], tuple[int, str]]
    find: Callable[[Search], Sequence[tuple[str, Mapping[str, Sequence[bytes]]]]] = lambda _: ()
    references: Sequence[str] = ()
    redirect: str = ""
    binds: list[tuple[str, bytes]] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)

    def __call__(self, conversation: Conversation) -> None:
        for request in conversation.requests():
            if request.kind == BIND:
                conversation.send(self._bound(request))
            elif request.kind == SEARCH:
                conversation.send(self._found(request))

    def _bound(self, request: Request) -> bytes:
        _, (_, name), (_, password), *_ = request.elements
        self.binds.append((name.decode(), password))
        return message(request.number, BIND_RESPONSE, result(*self.bind(name.decode(), password)))

    def _found(self, request: Request) -> bytes:
        (_, base), (_, scope), _, (_, size), (_, time), _, condition, _ = request.elements
        limits = int.from_bytes(size, "big"), int.from_bytes(time, "big")
        search = Search(base.decode(), scope[0], filter_text(*condition), limits)
        self.searches.append(search)
        number = request.number
        answer = b"".join(
            message(number, SEARCH_ENTRY, entry(dn, values)) for dn, values in self.find(search)
        )
        for url in self.references:
            answer += message(number, SEARCH_REFERENCE, tlv(4, url.encode()))
        return answer + message(number, SEARCH_DONE, self._result())

    def _result(self) -> bytes:
        if not self.redirect:
            return result(0)
        return result(10) + tlv(0xA3, tlv(4, self.redirect.encode()))


# Messages in BER, made by hand so that they can be wrong


def tlv(tag: int, value: bytes) -> bytes:
    return bytes((tag,)) + b"\x84" + struct.pack(">I", len(value)) + value


def message(number: int, tag: int, content: bytes) -> bytes:
    return tlv(0x30, tlv(2, number.to_bytes(4, "big")) + tlv(tag, content))


def result(code: int, text: str = "") -> bytes:
    return tlv(10, bytes((code,))) + tlv(4, b"") + tlv(4, text.encode())


def entry(dn: str, values: Mapping[str, Sequence[bytes]]) -> bytes:
    attributes = b"".join(
        tlv(0x30, tlv(4, name.encode()) + tlv(0x31, b"".join(tlv(4, value) for value in each)))
        for name, each in values.items()
    )
    return tlv(4, dn.encode()) + tlv(0x30, attributes)


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """The tags and contents of the elements in a row."""
    found = []
    while data:
        begin, length = _header(data)
        found.append((data[0], data[begin : begin + length]))
        data = data[begin + length :]
    return found


def filter_text(tag: int, content: bytes) -> str:
    """A filter as people write it, without escapes."""
    if tag in _JOINTS:
        return f"({_JOINTS[tag]}{''.join(filter_text(*each) for each in elements(content))})"
    if tag == 0x87:
        return f"({content.decode()}=*)"
    if tag == 0xA9:
        parts = {part: value.decode() for part, value in elements(content)}
        return f"({parts[0x82]}:{parts[0x81]}:={parts[0x83]})"
    (_, attribute), (_, value) = elements(content)
    return f"({attribute.decode()}={value.decode(errors='replace')})"


def _header(data: bytes) -> tuple[int, int]:
    """The lengths of the first element's header and of its content."""
    if data[1] <= 127:
        return 2, data[1]
    octets = data[1] - 128
    return 2 + octets, int.from_bytes(data[2 : 2 + octets], "big")


def _accept(
    server: socket.socket, listener: Listener, behaviour: Behaviour, ended: threading.Event
) -> None:
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            accepted, _ = server.accept()
            listener.connections += 1
            thread = threading.Thread(target=_converse, args=(accepted, behaviour, ended))
            listener.threads.append(thread)
            thread.start()


def _converse(accepted: socket.socket, behaviour: Behaviour, ended: threading.Event) -> None:
    accepted.settimeout(_PULSE)
    with accepted, contextlib.suppress(OSError):
        behaviour(Conversation(accepted, ended))
