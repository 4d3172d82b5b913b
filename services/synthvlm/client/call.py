"""Calls any method of a running service, given only its address.

    python -m synthvlm.client.call ADDRESS                       # lists services and methods
    python -m synthvlm.client.call ADDRESS describe SYMBOL       # a service, method or message
    python -m synthvlm.client.call ADDRESS METHOD ['{"json": …}' | @FILE | -]

Like ``grpcurl``, it gets descriptors from server reflection and does not use the package's stubs:
whatever works with it works with any gRPC client. Each response is printed as JSON, without fields
that are zero, false or empty.
Exit status: 0, 1 when the service returns an error, 2 for an invalid command line.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

# Registers the types of error details, so that they can be shown.
from google.rpc import error_details_pb2  # noqa: F401
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from synthvlm.client.channels import connect
from synthvlm.errors import InvalidInput

_DEADLINE_SECONDS = 600.0


class Reflection:
    """The descriptors that a server publishes, in a pool apart from this package's stubs."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self._database)

    def services(self) -> list[ServiceDescriptor]:
        """The services that the server lists, by name."""
        names = sorted(self._database.get_services())
        return [self._pool.FindServiceByName(name) for name in names]

    def method(self, name: str) -> MethodDescriptor:
        """A method by its name: ``package.Service/Method``, or just ``Method`` if it is unique.

        Raises:
            InvalidInput: There is no such method, or several.
        """
        methods = [method for service in self.services() for method in service.methods]
        wanted = name.replace("/", ".")
        found = [m for m in methods if wanted in (m.full_name, m.name)]
        if len(found) != 1:
            problem = "several services have a method" if found else "no service has a method"
            known = ", ".join(_path(method) for method in found or methods)
            raise InvalidInput(f"{problem} called {name!r}; give one of {known}")
        return found[0]

    def describe(self, symbol: str) -> str:
        """The proto definition of a service, method, message or enumeration.

        Raises:
            InvalidInput: The server does not know the symbol.
        """
        for service in self.services():
            if service.full_name == symbol:
                return _service_text(service)
        name = symbol.replace("/", ".")
        for find in (self._pool.FindMessageTypeByName, self._pool.FindEnumTypeByName):
            try:
                return _type_text(find(name))
            except KeyError:
                continue
        return _method_text(self.method(symbol))


def call(channel: grpc.Channel, method: MethodDescriptor, request: Message) -> Iterator[Message]:
    """Calls a method; yields its response, or each message of its stream.

    Raises:
        grpc.RpcError: The service returned an error.
    """
    answer = message_factory.GetMessageClass(method.output_type)
    kind: Any = channel.unary_stream if method.server_streaming else channel.unary_unary
    invoke = kind(
        f"/{_path(method)}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer.FromString,
    )
    result = invoke(request, timeout=_DEADLINE_SECONDS)
    yield from result if method.server_streaming else (result,)


def parse_request(method: MethodDescriptor, text: str) -> Message:
    """Parses a request of ``method`` from JSON; bytes fields are base64.

    Raises:
        InvalidInput: The text is not JSON, or does not match the request's fields.
    """
    request = message_factory.GetMessageClass(method.input_type)()
    try:
        return json_format.Parse(text, request)
    except json_format.ParseError as error:
        raise InvalidInput(f"the request of {method.full_name} is invalid: {error}") from error


def status_text(error: grpc.RpcError) -> str:
    """A status with its details, as human-readable text."""
    failed: Any = error  # gRPC's errors are also the calls that failed
    status = rpc_status.from_call(failed)
    details = status.details if status is not None else ()
    texts = (json_format.MessageToJson(entry, indent=None, ensure_ascii=False) for entry in details)
    return "\n".join([f"{failed.code().name}: {failed.details()}", *texts])


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m synthvlm.client.call",
        description="Calls any method of a running service, by server reflection.",
    )
    parser.add_argument("address", help="host:port or unix:/path")
    parser.add_argument("method", nargs="?", help="package.Service/Method, Method, or describe")
    parser.add_argument(
        "request", nargs="?", default="{}", help="the request as JSON, @FILE, or - for stdin"
    )
    parser.add_argument("--token-file", type=Path, help="file with the bearer token")
    parser.add_argument("--ca-file", type=Path, help="PEM file of the server's CA (TLS)")
    parser.add_argument("--certificate-file", type=Path, help="PEM file of your certificate (mTLS)")
    parser.add_argument("--key-file", type=Path, help="PEM file of its key")
    parsed = parser.parse_args(arguments)
    channel = connect(
        parsed.address,
        token=parsed.token_file,
        ca_file=parsed.ca_file,
        certificate_file=parsed.certificate_file,
        key_file=parsed.key_file,
    )
    try:
        with channel:
            for text in _answers(channel, parsed.method, parsed.request):
                sys.stdout.write(f"{text}\n")
                sys.stdout.flush()
    except InvalidInput as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"the request cannot be read: {error}\n")
        return 2
    except grpc.RpcError as error:
        sys.stderr.write(f"{status_text(error)}\n")
        return 1
    return 0


def _answers(channel: grpc.Channel, method: str | None, request: str) -> Iterable[str]:
    reflection = Reflection(channel)
    if method is None:
        for service in reflection.services():
            yield service.full_name
            yield from (f"  {_path(entry)}" for entry in service.methods)
    elif method == "describe":
        yield reflection.describe(request)
    else:
        found = reflection.method(method)
        for message in call(channel, found, parse_request(found, _text(request))):
            yield json_format.MessageToJson(
                message, indent=None, ensure_ascii=False, preserving_proto_field_name=True
            )


def _text(request: str) -> str:
    if request == "-":
        return sys.stdin.read()
    if request.startswith("@"):
        return Path(request[1:]).read_text(encoding="utf-8")
    return request


def _path(method: MethodDescriptor) -> str:
    return f"{method.containing_service.full_name}/{method.name}"


def _method_text(method: MethodDescriptor) -> str:
    stream = "stream " if method.server_streaming else ""
    source = method.input_type.full_name
    return f"rpc {method.name}({source}) returns ({stream}{method.output_type.full_name});"


def _service_text(service: ServiceDescriptor) -> str:
    lines = [f"  {_method_text(method)}" for method in service.methods]
    return "\n".join([f"service {service.full_name} {{", *lines, "}"])


def _type_text(kind: Descriptor | EnumDescriptor) -> str:
    if isinstance(kind, EnumDescriptor):
        lines = [f"  {value.name} = {value.number};" for value in kind.values]
        return "\n".join([f"enum {kind.full_name} {{", *lines, "}"])
    lines = [f"  {_field_type(field)} {field.name} = {field.number};" for field in kind.fields]
    return "\n".join([f"message {kind.full_name} {{", *lines, "}"])


def _field_type(field: FieldDescriptor) -> str:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        key, value = (entry.fields_by_name[name] for name in ("key", "value"))
        return f"map<{_field_type(key)}, {_field_type(value)}>"
    names = {
        getattr(FieldDescriptor, name): name.removeprefix("TYPE_").lower()
        for name in dir(FieldDescriptor)
        if name.startswith("TYPE_")
    }
    named = entry or field.enum_type
    name = named.full_name if named is not None else names[field.type]
    return f"repeated {name}" if field.is_repeated else name


if __name__ == "__main__":
    sys.exit(main())
