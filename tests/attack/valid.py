"""A valid request of every method, about a small dataset that was made before."""

from google.protobuf.message import Message

from synthvlm.alignment.v1 import alignment_pb2 as alignment
from synthvlm.caption.v1 import caption_pb2 as caption
from synthvlm.dataset.v1 import dataset_pb2 as dataset
from synthvlm.generation.v1 import generation_pb2 as generation
from synthvlm.review.v1 import review_pb2 as review
from synthvlm.storage.v1 import shard_pb2 as shard
from tests.contracts.chain import CAPTIONS, Made
from tests.image_sets import picture

RECIPE = "process:\n- words_num_filter: {lang: en, min_num: 2, max_num: 40}\n"


CAMPAIGN = "0123456789abcdef"
"""Of no campaign: what is damaged here must not depend on what was judged before."""


def review_requests(made: Made) -> dict[str, Message]:
    """A request of each method of the review service."""
    verdict = review.Verdict(alignment="ALIGNMENT_NO", reasons=["REASON_COUNT"], quality=2)
    return {
        "ReviewService.CreateCampaign": review.CreateCampaignRequest(
            store=made.store,
            source=made.selected.selection,
            design={"title": "Shapes", "sample_size": 2, "seed": 1},
            request_id="one",
        ),
        "ReviewService.PlanSample": review.PlanSampleRequest(width=0.05, gold_true=10),
        "ReviewService.ImportVerdicts": review.ImportVerdictsRequest(
            campaign_id=CAMPAIGN,
            format="VERDICT_FORMAT_CSV",
            content=b"image_id,annotator,alignment\ni,ann,yes\n",
        ),
        "ReviewService.GetCampaign": review.GetCampaignRequest(campaign_id=CAMPAIGN),
        "ReviewService.ListCampaigns": review.ListCampaignsRequest(page_size=1),
        "ReviewService.OpenCampaign": review.OpenCampaignRequest(campaign_id=CAMPAIGN),
        "ReviewService.CloseCampaign": review.CloseCampaignRequest(campaign_id=CAMPAIGN),
        "ReviewService.LeasePairs": review.LeasePairsRequest(campaign_id=CAMPAIGN, count=2),
        "ReviewService.SubmitVerdicts": review.SubmitVerdictsRequest(
            campaign_id=CAMPAIGN,
            verdicts=[{"pair_id": 1, "request_id": "one", "verdict": verdict}],
        ),
        "ReviewService.SkipPairs": review.SkipPairsRequest(campaign_id=CAMPAIGN, pair_ids=[1]),
        "ReviewService.ListMyVerdicts": review.ListMyVerdictsRequest(campaign_id=CAMPAIGN),
        "ReviewService.ListDisagreements": review.ListDisagreementsRequest(campaign_id=CAMPAIGN),
        "ReviewService.Adjudicate": review.AdjudicateRequest(
            campaign_id=CAMPAIGN, pair_id=1, decision=verdict, request_id="one"
        ),
        "ReviewService.GetProgress": review.GetProgressRequest(campaign_id=CAMPAIGN),
        "ReviewService.GetStatistics": review.GetStatisticsRequest(campaign_id=CAMPAIGN),
        "ReviewService.FinishCampaign": review.FinishCampaignRequest(campaign_id=CAMPAIGN),
        "ReviewService.GetImage": review.GetImageRequest(campaign_id=CAMPAIGN, pair_id=1),
    }


def valid_requests(made: Made, image_id: str, export_uri: str) -> dict[str, Message]:
    """A request by the name of its method, as ``CaptionService.EvaluateFile``.

    Args:
        made: The dataset, and the shards on the way to it.
        image_id: One of its images.
        export_uri: Where to export it to.
    """
    (pool,) = made.imported.shards
    chain = dataset.ShardChain(
        caption_set=made.curated.caption_set,
        image_set=made.generated.image_set,
        score_set=made.scored.score_set,
    )
    return {
        "CaptionService.EvaluateCaptions": caption.EvaluateCaptionsRequest(
            captions=[{"id": str(number), "text": text} for number, text in enumerate(CAPTIONS)],
            recipe_yaml=RECIPE,
        ),
        "CaptionService.EvaluateFile": caption.EvaluateFileRequest(file=str(made.captions_file)),
        "CaptionService.ImportCaptions": caption.ImportCaptionsRequest(
            store=made.store, files=[str(made.captions_file)], layout={"format": "txt"}
        ),
        "CaptionService.CurateShard": caption.CurateShardRequest(store=made.store, pool=pool),
        "GenerationService.GenerateImage": generation.GenerateImageRequest(
            prompt=CAPTIONS[0], seed=3, parameters={"steps": 1, "width": 64, "height": 64}
        ),
        "GenerationService.GetModel": generation.GetModelRequest(),
        "GenerationService.GenerateShard": generation.GenerateShardRequest(
            store=made.store, caption_set=made.curated.caption_set, repeats=2, run_seed=1
        ),
        "AlignmentService.ScorePairs": alignment.ScorePairsRequest(
            pairs=[{"image": picture(1), "caption": CAPTIONS[0]}]
        ),
        "AlignmentService.GetModel": alignment.GetModelRequest(),
        "AlignmentService.ScoreShard": alignment.ScoreShardRequest(
            store=made.store,
            caption_set=made.curated.caption_set,
            image_set=made.generated.image_set,
        ),
        "DatasetService.Select": dataset.SelectRequest(
            store=made.store, shards=[chain], rule={"top_k": 3}
        ),
        "DatasetService.Assemble": dataset.AssembleRequest(
            store=made.store, selection=made.selected.selection, name="shapes", request_id="one"
        ),
        "DatasetService.ListVersions": dataset.ListVersionsRequest(name="shapes", page_size=1),
        "DatasetService.GetVersion": dataset.GetVersionRequest(version="shapes@1"),
        "DatasetService.DiffVersions": dataset.DiffVersionsRequest(
            **{"from": "shapes@1", "to": "shapes@2"}
        ),
        "DatasetService.GetImage": dataset.GetImageRequest(image_id=image_id, include_image=True),
        "DatasetService.ExportVersion": dataset.ExportVersionRequest(
            version="shapes@2",
            format=dataset.EXPORT_FORMAT_LLAVA,
            destination_uri=export_uri,
        ),
        **review_requests(made),
    }


def in_store(request: Message, uri: str) -> Message:
    """The same request of another store."""
    changed = type(request)()
    changed.CopyFrom(request)
    changed.store.CopyFrom(shard.ShardStore(uri=uri))
    return changed
