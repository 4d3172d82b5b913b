"""What a server's metrics say."""

import asyncio
import urllib.request
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families


async def samples(address: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric and by labels' values, in the labels' alphabetical order."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{address}/metrics") as answer:
            return str(answer.read().decode())

    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(await asyncio.to_thread(read)):
        for sample in family.samples:
            found[sample.name][tuple(value for _, value in sorted(sample.labels.items()))] = (
                sample.value
            )
    return found
