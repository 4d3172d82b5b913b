"""The dataset run: captions in, dataset version out."""

from kfp import dsl

from synthvlm_pipelines.components.assemble import assemble
from synthvlm_pipelines.components.curate import curate
from synthvlm_pipelines.components.generate import generate
from synthvlm_pipelines.components.import_captions import import_captions
from synthvlm_pipelines.components.score import score
from synthvlm_pipelines.components.select import select


@dsl.pipeline(
    name="dataset-run",
    description="Curates captions, synthesises and scores images, publishes the best pairs.",
)
def dataset_run(
    caption_address: str,
    generation_address: str,
    alignment_address: str,
    dataset_address: str,
    store_uri: str,
    caption_files: list[str],
    caption_file_digests: list[str],
    dataset_name: str,
    selection_rule: str,
    code_version: str,
    column: str = "",
    recipe_yaml: str = "",
    pool_shard_size: int = 0,
    repeats: int = 1,
    run_seed: str = "0",
    sampling_parameters: str = "{}",
    image_format: str = "",
    generation_model_digest: str = "",
    score_parameters: str = "{}",
    alignment_model_digest: str = "",
    dataset_shard_size: int = 0,
    configuration: str = "{}",
) -> str:
    """Runs the stages import, (curate, generate, score) a shard, select and assemble.

    Inside the loop only pipeline parameters, the loop's item and outputs of the loop's own steps
    are used: ``kfp.local`` puts the item in the place of any other step's output there.
    The arguments are those of the components; digests are among them so that KFP's cache, which
    compares arguments, never takes one model's or one file's result for another's.
    """
    imported = import_captions(
        address=caption_address,
        store_uri=store_uri,
        files=caption_files,
        file_digests=caption_file_digests,
        column=column,
        shard_size=pool_shard_size,
        code_version=code_version,
    )
    with dsl.ParallelFor(imported.output) as item:
        curated = curate(
            address=caption_address,
            store_uri=store_uri,
            item=item,
            recipe_yaml=recipe_yaml,
            code_version=code_version,
        )
        generated = generate(
            address=generation_address,
            store_uri=store_uri,
            item=item,
            curated=curated.output,
            repeats=repeats,
            run_seed=run_seed,
            parameters=sampling_parameters,
            image_format=image_format,
            model_digest=generation_model_digest,
            code_version=code_version,
        )
        scored = score(
            address=alignment_address,
            store_uri=store_uri,
            item=item,
            curated=curated.output,
            generated=generated.output,
            parameters=score_parameters,
            model_digest=alignment_model_digest,
            code_version=code_version,
        )
    selected = select(
        address=dataset_address,
        store_uri=store_uri,
        curated=dsl.Collected(curated.output),
        generated=dsl.Collected(generated.output),
        scored=dsl.Collected(scored.output),
        rule=selection_rule,
        code_version=code_version,
    )
    version = assemble(
        address=dataset_address,
        store_uri=store_uri,
        selected=selected.output,
        name=dataset_name,
        shard_size=dataset_shard_size,
        configuration=configuration,
        code_version=code_version,
    )
    return version.output
