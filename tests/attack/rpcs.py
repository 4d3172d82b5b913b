"""Every call, with messages that are wrong in every way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from tests.attack.mutation import mutated
from tests.attack.target import DEADLINE_SECONDS, Outcome, Target
from tests.contracts.values import BYTES, FLOATS, INTEGERS, TEXTS

DEEPEST = 4
FORMS = {
    "valid, changed": 50,
    "wrong values": 25,
    "random": 12,
    "of another method": 6,
    "several or none": 3,
    "compressed": 3,
    "no such method": 1,
}
"""Forms of a call, and how often each is chosen."""


@dataclass(frozen=True)
class Call:
    """What is sent."""

    path: str
    messages: tuple[bytes, ...]
    compression: grpc.Compression | None = None

    def send(
        self,
        target: Target,
        seconds: float = DEADLINE_SECONDS,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> Outcome:
        """Sends it."""
        return target.call(
            self.path,
            *self.messages,
            compression=self.compression,
            seconds=seconds,
            metadata=metadata,
        )


def path_of(method: MethodDescriptor) -> str:
    """The path that gRPC calls it by."""
    return f"/{method.containing_service.full_name}/{method.name}"


def any_call(
    random: Random, methods: Sequence[MethodDescriptor], valid: Mapping[str, Message]
) -> Call:
    """A call of one of ``methods``.

    Args:
        random: What decides.
        methods: Of one service.
        valid: Requests by the name of the method, of all services.
    """
    method = random.choice(methods)
    path = path_of(method)
    own = valid[f"{method.containing_service.name}.{method.name}"].SerializeToString()
    (form,) = random.choices(list(FORMS), list(FORMS.values()))
    match form:
        case "valid, changed":
            return Call(path, (mutated(random, own),))
        case "wrong values":
            return Call(path, (wrong_values(random, method.input_type).SerializeToString(),))
        case "of another method":
            other = valid[random.choice(sorted(valid))].SerializeToString()
            return Call(path, (other + own * random.randrange(2),))
        case "several or none":
            return Call(path, (mutated(random, own),) * random.choice([0, 2, 3]))
        case "compressed":
            compression = random.choice([grpc.Compression.Gzip, grpc.Compression.Deflate])
            return Call(path, (own + bytes(random.choice([0, 2**16])),), compression)
        case "no such method":
            return Call(path + random.choice(["X", "/", "/..", "%00"]), (own,))
    return Call(path, (_random_bytes(random),))


def _random_bytes(random: Random) -> bytes:
    """Random bytes, some of which begin like a field of a request."""
    begin = bytes([8 * random.randrange(8) + 2, random.randrange(40)])
    return begin * random.randrange(2) + random.randbytes(random.choice([1, 5, 30, 20_000]))


def wrong_values(random: Random, descriptor: Descriptor, depth: int = 0) -> Message:
    """A message of the given kind, most likely wrong in several places."""
    message: Any = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if depth > DEEPEST or random.randrange(4) == 0:
            continue
        if field.is_repeated:
            entries = getattr(message, field.name)
            for _ in range(random.randrange(4)):
                if field.message_type is None:
                    entries.append(_value(random, field))
                else:
                    entries.add().CopyFrom(wrong_values(random, field.message_type, depth + 1))
        elif field.message_type is not None:
            inner = wrong_values(random, field.message_type, depth + 1)
            getattr(message, field.name).CopyFrom(inner)
        else:
            setattr(message, field.name, _value(random, field))
    return message  # type: ignore[no-any-return]


def _value(random: Random, field: FieldDescriptor) -> Any:
    if field.cpp_type in INTEGERS:
        return random.choice(INTEGERS[field.cpp_type])
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return random.choice(FLOATS)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice([0, 1, 99, -1])
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return random.choice([False, True])
    values: Sequence[Any] = BYTES if field.type == FieldDescriptor.TYPE_BYTES else TEXTS
    # The last ones are large.
    return random.choice(values if random.randrange(20) == 0 else values[:-2])
