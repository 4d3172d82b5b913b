"""From captions to a Selection: the steps that several pipelines begin with."""

from typing import Any

from kfp import dsl

from synthvlm_pipelines.components.curate import curate
from synthvlm_pipelines.components.generate import generate
from synthvlm_pipelines.components.import_captions import import_captions
from synthvlm_pipelines.components.score import score
from synthvlm_pipelines.components.select import select


def selected_pairs(
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
    code_version: str,
    run_name: str,
    store_uri: str,
) -> Any:
    """Imports; curates, generates and scores each shard; selects. To be called in a pipeline.

    The loop uses only pipeline parameters, its item and the outputs of its own steps, because
    ``kfp.local`` would replace any other step's output by the item.

    Returns:
        The task of the selection.
    """
    imported = import_captions(
        address=caption_address,
        request=import_captions_request,
        caption_file_digests=caption_file_digests,
        code_version=code_version,
        run_name=run_name,
        store_uri=store_uri,
    )
    with dsl.ParallelFor(imported.output) as item:
        curated = curate(
            address=caption_address,
            request=curate_request,
            item=item,
            code_version=code_version,
            run_name=run_name,
            store_uri=store_uri,
        )
        generated = generate(
            address=generation_address,
            request=generate_request,
            item=item,
            curated=curated.output,
            code_version=code_version,
            run_name=run_name,
            store_uri=store_uri,
        )
        scored = score(
            address=alignment_address,
            request=score_request,
            item=item,
            curated=curated.output,
            generated=generated.output,
            code_version=code_version,
            run_name=run_name,
            store_uri=store_uri,
        )
    return select(
        address=dataset_address,
        request=select_request,
        curated=dsl.Collected(curated.output),
        generated=dsl.Collected(generated.output),
        scored=dsl.Collected(scored.output),
        code_version=code_version,
        run_name=run_name,
        store_uri=store_uri,
    )
