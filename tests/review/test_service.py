"""The service through gRPC: who calls is known by their token, and the page runs beside it."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from synthvlm.review.config import ReviewSettings
from synthvlm.review.people import token_digest
from synthvlm.review.service import SERVICE
from synthvlm.review.v1 import review_pb2 as pb
from synthvlm.review.v1 import review_pb2_grpc
from synthvlm.serving.testing import serving
from synthvlm.storage import ShardRef, Store, sha256_digest
from synthvlm.storage.protos import ref_to_proto

TOKENS = {"olga": "owner", "ann": "annotator", "bob": "annotator", "ada": "adjudicator"}


@pytest.fixture
async def server(selection: tuple[Store, ShardRef], tmp_path: Path):
    """A service that knows four people, whose tokens are their names."""
    people = tmp_path / "people"
    lines = [f"{name} {role} {token_digest(name)}" for name, role in TOKENS.items()]
    people.write_text("\n".join(["# who may judge", *lines, ""]))
    settings = ReviewSettings(
        database=f"sqlite:///{tmp_path}/review.sqlite",
        store_roots=[selection[0].uri],
        people_file=people,
    )
    async with serving(SERVICE, settings) as running:
        yield running


@pytest.fixture
async def call(server):
    """Calls a method as somebody."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = review_pb2_grpc.ReviewServiceStub(channel)

        async def call(name, method, request):
            metadata = (("authorization", f"Bearer {name}"),)
            return await getattr(stub, method)(request, metadata=metadata)

        yield call


@pytest.fixture
async def campaign(call, selection) -> str:
    request = pb.CreateCampaignRequest(
        store={"uri": selection[0].uri},
        source=ref_to_proto(selection[1]),
        design={"title": "Shapes", "sample_size": 6, "verdicts_per_pair": 2, "seed": 3},
    )
    made = (await call("olga", "CreateCampaign", request)).campaign
    assert made.design.lease_seconds == 600
    await call("olga", "OpenCampaign", pb.OpenCampaignRequest(campaign_id=made.campaign_id))
    return str(made.campaign_id)


async def judge(call, name: str, campaign: str, alignment: str) -> list[int]:
    leased = await call(name, "LeasePairs", pb.LeasePairsRequest(campaign_id=campaign))
    entries = [
        pb.SubmittedVerdict(
            pair_id=pair.pair_id,
            request_id=f"{name}-{pair.pair_id}",
            verdict=pb.Verdict(alignment=alignment, reasons=["REASON_COLOUR"]),
            duration_milliseconds=800,
        )
        for pair in leased.pairs
    ]
    request = pb.SubmitVerdictsRequest(campaign_id=campaign, verdicts=entries)
    answer = await call(name, "SubmitVerdicts", request)
    assert set(answer.outcomes) == {pb.OUTCOME_RECORDED}
    return [pair.pair_id for pair in leased.pairs]


async def test_a_campaign_from_its_sample_to_its_review_set(call, campaign) -> None:
    pairs = await judge(call, "ann", campaign, "ALIGNMENT_YES")
    assert sorted(await judge(call, "bob", campaign, "ALIGNMENT_NO")) == sorted(pairs)
    image = await call(
        "ann", "GetImage", pb.GetImageRequest(campaign_id=campaign, pair_id=pairs[0])
    )
    assert sha256_digest(image.image) == image.digest
    found = await call(
        "ada", "ListDisagreements", pb.ListDisagreementsRequest(campaign_id=campaign, page_size=4)
    )
    rest = await call(
        "ada",
        "ListDisagreements",
        pb.ListDisagreementsRequest(
            campaign_id=campaign, page_size=4, page_token=found.next_page_token
        ),
    )
    assert (len(found.disagreements), len(rest.disagreements), rest.next_page_token) == (4, 2, "")
    decision = pb.AdjudicateRequest(
        campaign_id=campaign,
        pair_id=pairs[0],
        request_id="a",
        decision=pb.Verdict(alignment="ALIGNMENT_YES"),
    )
    assert (await call("ada", "Adjudicate", decision)).outcome == pb.OUTCOME_RECORDED
    await call("olga", "CloseCampaign", pb.CloseCampaignRequest(campaign_id=campaign))
    finished = await call("olga", "FinishCampaign", pb.FinishCampaignRequest(campaign_id=campaign))
    # Five ties, and what the adjudicator kept.
    assert (finished.rejected, finished.campaign.review_set.records) == (5, 6)


async def test_a_sample_is_planned_without_a_campaign(call) -> None:
    asked: Any = {"truth_rate": 0.91, "gold_true": 100, "gold_false": 100}
    found = await call("ann", "PlanSample", pb.PlanSampleRequest(width=0.07, **asked))
    # The table in docs/review-statistics.md.
    plans = [(one.verdicts_per_pair, one.pairs, one.verdicts) for one in found.plans[:2]]
    assert plans == [(2, 466, 932), (3, 367, 1101)]
    one = pb.PlanSampleRequest(pairs=367, verdicts_per_pair=[3], **asked)
    (plan,) = (await call("ann", "PlanSample", one)).plans
    assert plan.width == pytest.approx(0.07, abs=1e-4)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "width is needed unless pairs"),
        ({"width": 0.1, "pairs": 10}, "width is needed unless pairs"),
        ({"width": 1e-9}, "width must be 0.001 or more"),
        ({"width": 0.1, "sensitivity": 0.3}, "sensitivity must be 0.5 to 0.999, or 0 for 0.9"),
        ({"width": 0.1, "sensitivity": 0.5, "specificity": 0.5}, "add up to 1.1"),
        ({"width": 0.1, "truth_rate": 1e-12}, "truth_rate must be 0.001 to 0.999"),
        ({"width": 0.1, "confidence": 0.2}, "confidence must be 0.5 to 0.999, or 0 for 0.95"),
    ],
)
async def test_what_cannot_be_planned_is_told(call, fields, problem) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call("ann", "PlanSample", pb.PlanSampleRequest(**fields))
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert problem in str(raised.value.details())


async def test_a_file_of_verdicts_is_imported_by_its_owner(call, campaign) -> None:
    request = pb.ImportVerdictsRequest(
        campaign_id=campaign,
        format="VERDICT_FORMAT_CSV",
        content=b"image_id,annotator,alignment\nunknown,eva,yes\nunknown,eva,maybe\n",
    )
    done = await call("olga", "ImportVerdicts", request)
    assert (done.recorded, done.quarantined) == (0, 2)
    assert done.reasons["the campaign does not show this image"] == 1
    assert [one.place for one in done.quarantine] == ["record 2", "record 1"]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call("ann", "ImportVerdicts", request)
    assert raised.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_who_calls_is_known_by_their_token(call, campaign) -> None:
    request = pb.GetProgressRequest(campaign_id=campaign)
    for name, code in (
        ("nobody", grpc.StatusCode.UNAUTHENTICATED),
        ("ann", grpc.StatusCode.PERMISSION_DENIED),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(name, "GetProgress", request)
        assert raised.value.code() == code
    await judge(call, "ann", campaign, "ALIGNMENT_PARTLY")
    progress = await call("olga", "GetProgress", request)
    assert [one.annotator for one in progress.annotators] == ["ann"]
    assert progress.annotators[0].median_milliseconds == 800
    # Nobody learns which questions are gold, or where to look for them.
    assert (
        await call("ann", "GetCampaign", pb.GetCampaignRequest(campaign_id=campaign))
    ).campaign.design.seed == 0


async def test_a_wrong_verdict_is_told_by_its_field(call, campaign) -> None:
    verdict = pb.SubmittedVerdict(pair_id=1, request_id="r", verdict=pb.Verdict(quality=9))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call(
            "ann",
            "SubmitVerdicts",
            pb.SubmitVerdictsRequest(campaign_id=campaign, verdicts=[verdict]),
        )
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "verdicts[0].verdict.quality" in str(raised.value.details())


async def test_the_page_answers_beside_the_calls_and_ends_with_them(
    selection: tuple[Store, ShardRef], tmp_path: Path
) -> None:
    settings = ReviewSettings(
        database=f"sqlite:///{tmp_path}/review.sqlite",
        address_file=tmp_path / "address.json",
        store_roots=[selection[0].uri],
    )
    async with serving(SERVICE, settings) as running:
        page = running.page
        assert page is not None
        async with httpx.AsyncClient() as browser:
            assert (await browser.get(f"{page}/sign-in")).status_code == 200
    await asyncio.sleep(0)
    async with httpx.AsyncClient() as browser:
        with pytest.raises(httpx.ConnectError):
            await browser.get(f"{page}/sign-in")
