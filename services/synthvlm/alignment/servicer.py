"""The protos of the alignment service, to the domain and back."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from synthvlm.alignment.config import AlignmentSettings
from synthvlm.alignment.decoding import Unusable
from synthvlm.alignment.requests import ScorePairs, ScoreShard, complete
from synthvlm.alignment.score_set import ScoreSetMaker, ScoreSetRequest
from synthvlm.alignment.scorer import Pair, Scorer
from synthvlm.alignment.v1 import alignment_pb2, alignment_pb2_grpc
from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.progress import Reporter
from synthvlm.serving import offload, stream, validated
from synthvlm.storage import Roots, open_store
from synthvlm.storage.made import NOTHING, MadeIndex
from synthvlm.storage.protos import drop_counts, ref_to_proto


class AlignmentServicer(alignment_pb2_grpc.AlignmentServiceServicer):
    """Serves one scorer.

    Args:
        settings: The service's settings.
        profile: Name of the profile.
        scorer: The scorer, shared.
        index: Where scores of other shards are found.
    """

    def __init__(
        self,
        settings: AlignmentSettings,
        profile: str,
        scorer: Scorer,
        index: MadeIndex = NOTHING,
    ) -> None:
        self.scorer = scorer
        self.index = index
        self._settings = settings
        self._roots = Roots(settings.store_roots)
        self._profile = profile
        self._maker = ScoreSetMaker(scorer, index)

    async def GetModel(
        self,
        request: alignment_pb2.GetModelRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> alignment_pb2.GetModelResponse:
        """What is loaded."""
        return alignment_pb2.GetModelResponse(
            profile=self._profile,
            model_digest=self.scorer.engine.model_digest,
            parameters=alignment_pb2.ScoreParameters(
                clip_weight=self._settings.clip_weight, vlm_size=self._settings.vlm_size
            ),
        )

    async def ScorePairs(
        self,
        request: alignment_pb2.ScorePairsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> alignment_pb2.ScorePairsResponse:
        """Scores of the pairs, or what is wrong with each that cannot be scored."""
        parsed = await validated(context, ScorePairs, request)
        parameters = complete(parsed.parameters, self._settings)
        pairs = [Pair(pair.image, pair.caption) for pair in parsed.pairs]
        scores = await offload(
            context, lambda reporter: self.scorer.score(pairs, parameters, reporter)
        )
        violations = [
            FieldViolation(f"pairs[{index}].image", score.description)
            for index, score in enumerate(scores)
            if isinstance(score, Unusable)
        ]
        if violations:
            raise InvalidInput(f"{violations[0].field} {violations[0].description}", violations)
        return alignment_pb2.ScorePairsResponse(
            scores=[
                alignment_pb2.PairScore(
                    clip_score=score.clip_score,
                    ssim_score=score.ssim_score,
                    weighted_score=score.weighted_score,
                )
                for score in scores
                if not isinstance(score, Unusable)
            ],
            model_digest=self.scorer.engine.model_digest,
        )

    async def ScoreShard(
        self,
        request: alignment_pb2.ScoreShardRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[alignment_pb2.ScoreShardResponse]:
        """Scores of an ImageSet shard, with progress; the result is in the last message."""
        parsed = await validated(context, ScoreShard, request)
        wanted = ScoreSetRequest(
            caption_set=parsed.caption_set,
            image_set=parsed.image_set,
            parameters=complete(parsed.parameters, self._settings),
            model_digest=parsed.model_digest,
        )

        def work(reporter: Reporter) -> alignment_pb2.ScoreShardResponse:
            store = open_store(self._roots.require(parsed.store))
            made = self._maker.make(store, wanted, reporter)
            return alignment_pb2.ScoreShardResponse(
                result=alignment_pb2.ScoreResult(
                    score_set=ref_to_proto(made.ref),
                    scored=made.ref.records,
                    failed=drop_counts(made.failed),
                    reused=made.reused,
                )
            )

        async for response in stream(context, alignment_pb2.ScoreShardResponse, work):
            yield response
