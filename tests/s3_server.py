"""An S3 server of the test's own (SeaweedFS), and a bad network in front of it."""

import http.client
import json
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.keep_alive import KeepAliveHandler

KEY, SECRET = "synthvlm-test", "synthvlm-test-secret"
BUCKET = "synthvlm"
START_SECONDS = 60


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Runs a server with an empty bucket ``BUCKET``; yields its endpoint."""
    weed = Path(sys.executable).parent / "weed"
    folder.mkdir(parents=True)
    identity = {
        "name": "test",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = dict(zip(("master", "volume", "filer", "s3"), free_ports(4), strict=True))
    command = [
        *(str(weed), "server", "-ip=127.0.0.1", f"-dir={folder}", "-s3", "-volume.max=8"),
        *(
            f"-{'s3.port' if name == 's3' else f'{name}.port'}={port}"
            for name, port in ports.items()
        ),
        *(f"-{name}.port.grpc={port}" for name, port in zip(ports, free_ports(4), strict=True)),
        *(
            f"-s3.config={folder / 's3.json'}",
            "-master.telemetry=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.volumeSizeLimitMB=64",
        ),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        endpoint = f"http://127.0.0.1:{ports['s3']}"
        _make_bucket(endpoint, process, folder / "log")
        yield endpoint
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def environment(endpoint: str) -> dict[str, str]:
    """What a process needs in its environment to use the server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }


def free_ports(number: int) -> list[int]:
    """Ports of the loopback interface that nobody uses now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _make_bucket(endpoint: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
            client.delete_object(Bucket=BUCKET, Key="ready")
        except (BotoCoreError, ClientError):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.2)
        else:
            return


@dataclass
class BadNetwork:
    """What goes wrong between a client and a server, by chance.

    Attributes:
        seed: Of the chances; the order of concurrent requests is not the test's.
        failing: Share of requests that are answered by 503.
        cut: Share of answers that end in their middle.
        slow: Share of requests that wait for ``delay`` seconds first.
        seen: How often each has happened.
    """

    seed: int = 0
    failing: float = 0.0
    cut: float = 0.0
    slow: float = 0.0
    delay: float = 1.0
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def next(self) -> str:
        """What happens to the next request: ``failing``, ``cut``, ``slow`` or ``passed``."""
        with self._lock:
            chance = self._random.random()
            for fault in ("failing", "cut", "slow"):
                share = getattr(self, fault)
                if chance < share:
                    self.seen[fault] += 1
                    return fault
                chance -= share
            self.seen["passed"] += 1
            return "passed"

    @contextmanager
    def before(self, endpoint: str) -> Iterator[str]:
        """Forwards to ``endpoint`` under the faults; yields its own endpoint."""
        network, host = self, endpoint.removeprefix("http://")

        class Forward(KeepAliveHandler):
            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                fault = network.next()
                if fault == "failing":
                    self.send_response(503)
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                if fault == "slow":
                    time.sleep(network.delay)
                server = http.client.HTTPConnection(host)
                server.request(self.command, self.path, body, dict(self.headers.items()))
                answer = server.getresponse()
                data = answer.read()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                length = answer.getheader("content-length") if self.command == "HEAD" else None
                self.send_header("content-length", length or str(len(data)))
                self.end_headers()
                if fault == "cut":
                    self.wfile.write(data[: len(data) // 2])
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

        forwarder = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
        forwarder.daemon_threads = True
        thread = threading.Thread(target=forwarder.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{forwarder.server_port}"
        finally:
            forwarder.shutdown()
            thread.join()
            forwarder.server_close()
