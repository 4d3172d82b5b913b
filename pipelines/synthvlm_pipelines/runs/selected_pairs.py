"""From captions to a Selection: the steps that several pipelines begin with."""

from typing import Any

from kfp import dsl

from synthvlm_pipelines.components.curate import curate
from synthvlm_pipelines.components.generate import generate
from synthvlm_pipelines.components.import_captions import import_captions
from synthvlm_pipelines.components.score import score
from synthvlm_pipelines.components.select import select
from synthvlm_pipelines.steps import Steps


def synthesised_pairs(
    steps: Steps,
    caption_address: str,
    generation_address: str,
    import_captions_request: str,
    curate_request: str,
    generate_request: str,
    caption_file_digests: list[str],
) -> None:
    """Imports; curates and generates each shard. To be called in a pipeline."""
    imported = _imported(steps, caption_address, import_captions_request, caption_file_digests)
    with _shards(steps, imported.output) as item:
        _generated(
            steps, item, caption_address, generation_address, curate_request, generate_request
        )


def selected_pairs(
    steps: Steps,
    caption_address: str,
    generation_address: str,
    alignment_address: str,
    dataset_address: str,
    import_captions_request: str,
    curate_request: str,
    generate_request: str,
    score_request: str,
    select_request: str,
    caption_file_digests: list[str],
) -> Any:
    """Imports; curates, generates and scores each shard; selects. To be called in a pipeline.

    The loop uses only pipeline parameters, its item and the outputs of its own steps, because
    ``kfp.local`` would replace any other step's output by the item.

    Returns:
        The task of the selection.
    """
    imported = _imported(steps, caption_address, import_captions_request, caption_file_digests)
    with _shards(steps, imported.output) as item:
        curated, generated = _generated(
            steps, item, caption_address, generation_address, curate_request, generate_request
        )
        scored = steps(
            score,
            address=alignment_address,
            request=score_request,
            item=item,
            curated=curated.output,
            generated=generated.output,
        )
    return steps(
        select,
        address=dataset_address,
        request=select_request,
        curated=dsl.Collected(curated.output),
        generated=dsl.Collected(generated.output),
        scored=dsl.Collected(scored.output),
    )


def _imported(steps: Steps, address: str, request: str, digests: list[str]) -> Any:
    return steps(
        import_captions,
        address=address,
        request=request,
        caption_file_digests=digests,
        most_shards=steps.settings.most_shards,
    )


def _shards(steps: Steps, items: Any) -> Any:
    return dsl.ParallelFor(items, name="shards", parallelism=steps.settings.parallelism)


def _generated(
    steps: Steps,
    item: Any,
    caption_address: str,
    generation_address: str,
    curate_request: str,
    generate_request: str,
) -> tuple[Any, Any]:
    curated = steps(curate, address=caption_address, request=curate_request, item=item)
    generated = steps(
        generate,
        address=generation_address,
        request=generate_request,
        item=item,
        curated=curated.output,
    )
    return curated, generated
