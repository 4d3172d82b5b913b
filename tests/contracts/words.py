"""The vocabulary that the contracts go by."""

import importlib
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "services" / "synthvlm"
PROTO_PACKAGES = sorted(path.parent.name for path in ROOT.glob("protos/synthvlm/*/v1"))
CONTRACTS = tuple(word for word in PROTO_PACKAGES if word != "storage")
"""Words with a service in their proto."""
SERVICES = tuple(word for word in CONTRACTS if (PACKAGE / word / "__main__.py").is_file())
"""Words with a service that runs."""


def declared(word: str) -> ServiceDescriptor:
    """The service in the proto of ``word``."""
    module: Any = importlib.import_module(f"synthvlm.{word}.v1.{word}_pb2")
    services: list[ServiceDescriptor] = list(module.DESCRIPTOR.services_by_name.values())
    (service,) = services
    return service


def methods() -> list[MethodDescriptor]:
    """All methods of the services that run."""
    return [method for word in SERVICES for method in declared(word).methods]
