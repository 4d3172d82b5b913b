"""The commands of docs/operate that ask the API server alone are typed, page by page."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.charts.rendering import CHART
from tests.rig.cluster import Cluster
from tests.rig.pages import PAGES, Command, chart_in, commands, pages
from tests.rig.releases import claim_weights

NOT_TYPED = {
    r"kubectl.* logs ": "nothing runs in the pods",
    r"kubectl.* exec ": "nothing runs in the pods; test_backup.py runs those of its page",
    r"kubectl.* port-forward ": "nothing runs in the pods",
    r"kubectl top ": "there is no metrics server",
    r"kubectl get certificaterequests ": "cert-manager is not there",
    r"^python -m synthvlm\.client\.call ": "it calls through the port-forward",
    r"^synthvlm weights |^aws ": "there is no hub, and no store",
    r"^synthvlm doctor ": "tests/cluster runs it; here it would rightly miss much",
    r"^(PREFIX=\S+ )?make |^for |^podman |^done": "images are not the API server's",
}
"""Commands that need more than an API server."""


def reason(command: Command) -> str:
    return next((why for text, why in NOT_TYPED.items() if re.search(text, command.line)), "")


class Reader:
    """Somebody who types commands, in a folder with the files that the pages name."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        chart_in(folder)
        (folder / "kubeconfig").write_bytes(cluster.kubeconfig.read_bytes())
        (folder / "charts").mkdir()
        (folder / "charts" / "synthvlm").symlink_to(cluster.install_ready_chart(CHART))

    def type(self, line: str) -> "subprocess.CompletedProcess[str]":
        """Types a command, for the old server where that makes a difference."""
        lowered = "--server-side=false --post-renderer=k120shim"
        line = re.sub(r"^(helm (?:install|upgrade)) ", rf"\1 {lowered} ", line)
        script = f"export KUBECONFIG={self.folder}/kubeconfig\nset -euo pipefail\n{line}"
        # less would end before it has read everything, and nothing runs that could have a log.
        script = script.replace("| less", "| cat").replace(" --logs", "")
        return self.cluster.run("bash", "-c", script, check=False, cwd=self.folder)

    def works(self, line: str) -> None:
        """Types a command that has to succeed."""
        done = self.type(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


LAST = "upgrade.md"
IN_ORDER = ["install.md", *sorted({*pages()} - {"install.md", LAST}), LAST]
"""Each page finds what those before it left: the first installs, the last uninstalls."""


@pytest.fixture(scope="module")
def reader(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    made = Reader(cluster, tmp_path_factory.mktemp("reader"))
    claim_weights(cluster, "default")
    yield made
    made.type("helm uninstall synthvlm --namespace default --wait")


@pytest.mark.parametrize("page", IN_ORDER)
def test_the_commands_of_a_page_work(reader: Reader, page: str) -> None:
    for command in commands(page):
        if reason(command):
            continue
        if command.line.startswith("helm install") and "--namespace" not in command.line:
            # Each of these sections is for a reader of its own.
            reader.type("helm uninstall synthvlm --wait")
            reader.works("kubectl delete pvc synthvlm-data --ignore-not-found")
        reader.works(command.line)
        if command.line == "kubectl create namespace synthvlm":
            claim_weights(reader.cluster, "synthvlm")
        if " rollout restart " in command.line:
            time.sleep(1.1)  # a reader is slower: it may be asked for once a second


def test_the_postgresql_of_the_page_starts(reader: Reader) -> None:
    text = (PAGES / "install.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(apiVersion.*?)^```", text, re.M | re.S)
    (reader.folder / "postgresql.yaml").write_text(block)
    reader.works("kubectl --namespace synthvlm apply --filename postgresql.yaml")
    reader.works("kubectl --namespace synthvlm rollout status statefulset/postgresql --timeout=60s")


def test_the_table_says_which_commands_are_typed() -> None:
    rows = dict(
        re.findall(r"^\| `?(\w+\.md)`? \| (\d+ of \d+) \|", (PAGES / "checks.md").read_text(), re.M)
    )
    for page in pages():
        every = commands(page)
        typed = [one for one in every if not reason(one)]
        assert rows.get(page) == f"{len(typed)} of {len(every)}", page
