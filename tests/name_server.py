"""A name server on loopback, as a cluster's DNS answers for headless Services."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def name_server(addresses: Callable[[str], Sequence[str]]) -> Iterator[int]:
    """Answers questions for IPv4 addresses; yields the port, on 127.0.0.1.

    Args:
        addresses: What a name stands for now; none: nothing.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(own, addresses))
        thread.start()
        try:
            yield own.getsockname()[1]
        finally:
            own.sendto(b"", own.getsockname())
            thread.join()


def _serve(own: socket.socket, addresses: Callable[[str], Sequence[str]]) -> None:
    while True:
        query, sender = own.recvfrom(512)
        if not query:
            return
        end = query.index(b"\0", 12)
        question = query[12 : end + 5]  # the name, its type and its class
        is_address = question[-4:-2] == b"\0\1"
        found = addresses(_name(query[12:end])) if is_address else ()
        counts = b"\0\1" + len(found).to_bytes(2, "big") + bytes(4)
        answers = [b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(one) for one in found]
        own.sendto(query[:2] + b"\x85\x80" + counts + question + b"".join(answers), sender)


def _name(labels: bytes) -> str:
    parts = []
    while labels:
        parts.append(labels[1 : 1 + labels[0]].decode("ascii"))
        labels = labels[1 + labels[0] :]
    return ".".join(parts)
