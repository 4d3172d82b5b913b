"""Services that are attacked, and the table of what came of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from synthvlm.client import DatasetClient, connect
from synthvlm.dataset.v1 import dataset_pb2
from tests.attack.budget import budget
from tests.attack.stores import Copy
from tests.attack.target import Target, targets
from tests.attack.uris import SECRET
from tests.attack.valid import valid_requests
from tests.attack.watch import Row, Watch, table
from tests.contracts.chain import make_dataset

ROW = "attack"
"""The property of a test that holds its row of the table."""


@dataclass(frozen=True)
class Attacked:
    """Warm services, and a valid request of each of their methods.

    Attributes:
        services: By word.
        valid: Requests by the name of their method.
        root: The only folder that they may use.
        secret: A folder beside it.
        copy: A copy of the finished store that the requests are about.
    """

    services: Mapping[str, Target]
    valid: Mapping[str, Message]
    root: Path
    secret: Path
    copy: Copy


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """All services, after they made a dataset."""
    folder = tmp_path_factory.mktemp("attacked")
    root, secret = folder / "allowed", folder / "secret"
    root.mkdir()
    secret.mkdir()
    (secret / "captions.txt").write_bytes(SECRET)
    (root / "link").symlink_to(secret)
    (root / "loop").symlink_to(root / "loop")
    with targets(root) as services:
        addresses = {word: target.process.address for word, target in services.items()}
        made = make_dataset(addresses, root)
        difference = dataset_pb2.DiffVersionsRequest(**{"from": "shapes@1", "to": "shapes@2"})
        with connect(addresses["dataset"]) as channel:
            (image, *_) = DatasetClient(channel).diff_versions(difference).added_image_ids
        valid = valid_requests(made, image, (root / "export").as_uri())
        copy = Copy(root / "store", root / "copy")
        yield Attacked(services, valid, root, secret, copy)


@pytest.fixture
def watch(
    attacked: Attacked, record_property: Callable[[str, object], None]
) -> Iterator[Callable[[str], Watch]]:
    """Watches the services during one kind of attack, and checks afterwards what has to hold."""
    watches: list[Watch] = []

    def begin(kind: str) -> Watch:
        watches.append(Watch(kind, attacked.services, budget()))
        return watches[-1]

    yield begin
    for one in watches:
        record_property(ROW, asdict(one.row))
        one.check()


def pytest_report_header() -> str:
    """Says what repeats it."""
    chosen = budget()
    return f"attack: SEED={chosen.seed}, {chosen.minutes:g} minutes (0: the short form)"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the table."""
    rows = {
        value["kind"]: Row(**value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", [])
        if name == ROW
    }
    if rows:
        terminalreporter.write_line("")
        terminalreporter.write_line(table(list(rows.values())))
