"""The review service in a process of its own, with campaigns of scenes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthvlm.client import ReviewClient, connect
from synthvlm.local.processes import ServiceProcess
from synthvlm.review.people import token_digest
from synthvlm.review.v1 import review_pb2 as pb
from synthvlm.storage import ShardRef, file_location, open_store
from synthvlm.storage.protos import ref_to_proto
from tests.report.reported_run import make_run
from tests.review.web.site import HOSTILE
from tests.service_process import service_process

ROLES = {"ann": "annotator", "bob": "annotator", "olga": "owner"}
"""The people whom the service knows. Their tokens are their names."""


@dataclass(frozen=True)
class Running:
    """A service and what there is to judge.

    Attributes:
        origin: Address of the page.
    """

    process: ServiceProcess
    client: ReviewClient
    origin: str
    store: str
    selection: ShardRef

    def campaign(
        self, gold: dict[str, pb.Alignment] | None = None, *, compared: bool = False, **design: Any
    ) -> str:
        """The id of a new open campaign."""
        values = {"title": "Shapes of July", "sample_size": 60, "verdicts_per_pair": 1, **design}
        request = pb.CreateCampaignRequest(
            source=ref_to_proto(self.selection),
            compared=ref_to_proto(self.selection) if compared else None,
            design=pb.CampaignDesign(**values),
            gold=[
                pb.GoldQuestion(image_id=image, alignment=answer)
                for image, answer in (gold or {}).items()
            ],
        )
        request.store.uri = self.store
        made = self.client.create_campaign(request).campaign.campaign_id
        self.client.open_campaign(pb.OpenCampaignRequest(campaign_id=made))
        return made

    def verdicts(self, campaign: str) -> dict[str, int]:
        """Verdicts that stand, by annotator."""
        progress = self.client.get_progress(pb.GetProgressRequest(campaign_id=campaign))
        return {one.annotator: one.verdicts for one in progress.annotators}


@contextmanager
def running_service(
    folder: Path, pairs: int = 60, scale: int = 2, more: Sequence[str] = (HOSTILE,)
) -> Iterator[Running]:
    """Starts the service over a Selection of scenes; ends it at the end of the block.

    Args:
        folder: Takes the store, the database and the log.
        pairs: Pairs of the Selection.
        scale: Factor by which images are larger than 64 x 64 pixels.
        more: Further captions.
    """
    store = open_store(file_location(folder / "store"))
    run = make_run(store, captions=3 * pairs // 2, repeats=1, top_k=pairs, more=more, scale=scale)
    people = folder / "people"
    people.write_text("".join(f"{one} {role} {token_digest(one)}\n" for one, role in ROLES.items()))
    arguments = ["--database", f"sqlite:///{folder}/review.sqlite", "--people-file", str(people)]
    arguments += ["--second-opinion.engine", "none"]  # only people judge here
    with service_process("synthvlm.review", arguments, folder) as (process, _):
        page = json.loads((folder / "address.json").read_text("utf-8"))["page"]
        with ReviewClient(connect(process.address, token="olga")) as client:
            yield Running(process, client, page, store.uri, run.selection)
