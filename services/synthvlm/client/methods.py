"""RPC methods as typed attributes of a client.

A method is declared once, as ``get_model = Unary(SERVICE, "GetModel", Request, Response)``, in a
class that the synchronous and the asynchronous client of a service share. Looked up in a
client, the attribute is a callable of the client's kind; type checkers see its types.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from synthvlm.storage.v1 import shard_pb2

if TYPE_CHECKING:
    from synthvlm.client.asynchronous import (
        AsyncClient,
        AsyncShardCall,
        AsyncStreamCall,
        AsyncUnaryCall,
    )
    from synthvlm.client.synchronous import Client, ShardCall, StreamCall, UnaryCall

Q = TypeVar("Q", bound=Message)
P = TypeVar("P", bound=Message)
R = TypeVar("R")

OnProgress = Callable[[shard_pb2.ShardProgress], None]
"""Is told how far a shard call is."""


@dataclass(frozen=True)
class Wire(Generic[Q, P]):
    """A method as gRPC needs it."""

    service: ServiceDescriptor
    name: str
    request: type[Q]
    response: type[P]

    @property
    def path(self) -> str:
        """The method's path."""
        return f"/{self.service.full_name}/{self.name}"

    def on(self, channel: Any) -> Any:
        """The method as an attribute of ``channel``, which may be of either kind."""
        streaming = self.service.methods_by_name[self.name].server_streaming
        make = channel.unary_stream if streaming else channel.unary_unary
        return make(
            self.path,
            request_serializer=self.request.SerializeToString,
            response_deserializer=self.response.FromString,
        )

    def identified(self, request: Q) -> Q:
        """The request with a ``request_id`` of its own, if it can have one and has none.

        So a retry after a lost answer gets that answer, and the work is not done twice.
        """
        field = "request_id"
        if field not in request.DESCRIPTOR.fields_by_name or getattr(request, field):
            return request
        copy = type(request)()
        copy.CopyFrom(request)
        setattr(copy, field, uuid.uuid4().hex)
        return copy


class Unary(Generic[Q, P]):
    """A method with one answer."""

    def __init__(
        self, service: ServiceDescriptor, name: str, request: type[Q], response: type[P]
    ) -> None:
        self.wire = Wire(service, name, request, response)

    @overload
    def __get__(self, client: "Client", owner: type) -> "UnaryCall[Q, P]": ...

    @overload
    def __get__(self, client: "AsyncClient", owner: type) -> "AsyncUnaryCall[Q, P]": ...

    def __get__(self, client: Any, owner: type) -> Any:
        """The method of ``client``."""
        return client.unary(self.wire)


class Streaming(Generic[Q, P]):
    """A method with many answers."""

    def __init__(
        self, service: ServiceDescriptor, name: str, request: type[Q], response: type[P]
    ) -> None:
        self.wire = Wire(service, name, request, response)

    @overload
    def __get__(self, client: "Client", owner: type) -> "StreamCall[Q, P]": ...

    @overload
    def __get__(self, client: "AsyncClient", owner: type) -> "AsyncStreamCall[Q, P]": ...

    def __get__(self, client: Any, owner: type) -> Any:
        """The method of ``client``."""
        return client.streaming(self.wire)


class Shard(Generic[Q, P, R]):
    """A method that streams progress and answers with its result last; idempotent.

    ``result`` takes the result out of the last message; None: it holds none.
    """

    def __init__(
        self,
        service: ServiceDescriptor,
        name: str,
        request: type[Q],
        response: type[P],
        result: Callable[[P], R | None],
    ) -> None:
        self.wire = Wire(service, name, request, response)
        self.result = result

    @overload
    def __get__(self, client: "Client", owner: type) -> "ShardCall[Q, P, R]": ...

    @overload
    def __get__(self, client: "AsyncClient", owner: type) -> "AsyncShardCall[Q, P, R]": ...

    def __get__(self, client: Any, owner: type) -> Any:
        """The method of ``client``."""
        return client.shard(self.wire, self.result)
