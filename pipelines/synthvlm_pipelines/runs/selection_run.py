"""The run that ends at the selection: what people are to verify before it is published."""

from typing import Any

from kfp import dsl

from synthvlm_pipelines.components.report import report
from synthvlm_pipelines.runs.selected_pairs import selected_pairs
from synthvlm_pipelines.settings import PipelineSettings
from synthvlm_pipelines.steps import Steps, exit_step


def selection_run(settings: PipelineSettings) -> Any:
    """The pipeline, compiled with these settings."""

    @dsl.pipeline(
        name="selection-run",
        description="Curates captions, synthesises and scores images, selects the best pairs.",
    )
    def pipeline(
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

        No run is kept open while people judge: when their campaign is finished,
        ``publication-run`` takes the outcome, or a dataset run, whose stages find everything made,
        takes the ReviewSet.
        """
        ended = exit_step(
            report,
            settings,
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
        )
        steps = Steps(settings, code_version=code_version, run_name=run_name, store_uri=store_uri)
        with dsl.ExitHandler(ended, name="stages"):
            selected_pairs(
                steps,
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
            )
        return ended.output

    return pipeline
