"""The run that ends at the selection: what people are to verify before it is published."""

from kfp import dsl

from synthvlm_pipelines.components.report import report
from synthvlm_pipelines.selected_pairs import selected_pairs


@dsl.pipeline(
    name="selection-run",
    description="Curates captions, synthesises and scores images, selects the best pairs.",
)
def selection_run(
    run_name: str,
    store_uri: str,
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
    profile: str = "",
    resume_command: str = "",
) -> str:
    """Runs what the dataset run does up to the selection, and gives its outcome as JSON.

    No run is kept open while people judge: when their campaign is finished, ``publication_run``
    takes its selection, or a dataset run, whose stages find everything made, takes the ReviewSet.
    """
    ended = report(
        pipeline="selection-run",
        run_name=run_name,
        store_uri=store_uri,
        profile=profile,
        resume_command=resume_command,
        caption_file_digests=caption_file_digests,
        import_captions_request=import_captions_request,
        curate_request=curate_request,
        generate_request=generate_request,
        score_request=score_request,
        select_request=select_request,
    ).set_caching_options(False)
    with dsl.ExitHandler(ended, name="stages"):
        selected_pairs(
            caption_address=caption_address,
            generation_address=generation_address,
            alignment_address=alignment_address,
            dataset_address=dataset_address,
            import_captions_request=import_captions_request,
            curate_request=curate_request,
            generate_request=generate_request,
            score_request=score_request,
            select_request=select_request,
            caption_file_digests=caption_file_digests,
            code_version=code_version,
            run_name=run_name,
            store_uri=store_uri,
        )
    return ended.output
