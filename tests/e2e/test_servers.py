"""A home on PostgreSQL and S3, with a network that fails, makes what a home on files makes."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.e2e.place import Place, place_in
from tests.postgres import can_start, server
from tests.s3_server import BUCKET, BadNetwork, environment, s3_server

pytestmark = pytest.mark.e2e


def create_database(url: str, name: str) -> str:
    with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return url.format(name)


def on_servers(place: Place, catalogue: str) -> None:
    content = {"store": f"s3://{BUCKET}/{place.home.root.name}", "catalogue": catalogue}
    place.home.root.mkdir(exist_ok=True)
    (place.home.root / "home.yaml").write_text(yaml.safe_dump({**content, "reuse": catalogue}))


@pytest.mark.skipif(not can_start(), reason="PostgreSQL is not installed")
def test_a_run_on_postgresql_and_s3_is_the_run_on_files(
    undisturbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_in(tmp_path)
    network = BadNetwork(failing=0.05, cut=0.02, slow=0.02, delay=0.5)
    with (
        server() as postgres,
        s3_server(tmp_path / "s3") as endpoint,
        network.before(endpoint) as faulty,
    ):
        for name, value in environment(faulty).items():
            monkeypatch.setenv(name, value)
        on_servers(place, create_database(postgres, "synthvlm"))
        answer = place.make()
        assert answer["digest"] == undisturbed["digest"]
        assert answer["report"] is not None
        assert min(network.seen[fault] for fault in ("failing", "cut", "slow")) > 0
        assert not place.home.store.exists()
        assert not list(place.home.root.glob("*.sqlite"))

        shown = place.json("datasets", "show", "scenes", "--json")
        # The catalogue is lost, and made again from the store alone.
        on_servers(place, create_database(postgres, "replacement"))
        place.call("datasets", "reindex")
        assert place.json("datasets", "show", "scenes", "--json") == shown
        assert len(place.pairs(tmp_path / "llava")) == 12
