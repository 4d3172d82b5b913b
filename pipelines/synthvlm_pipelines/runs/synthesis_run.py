"""The run that ends with images: a pool for later runs to score and to select from."""

from typing import Any

from kfp import dsl

from synthvlm_pipelines.components.report import report
from synthvlm_pipelines.runs.selected_pairs import synthesised_pairs
from synthvlm_pipelines.settings import PipelineSettings
from synthvlm_pipelines.steps import Steps, exit_step


def synthesis_run(settings: PipelineSettings) -> Any:
    """The pipeline, compiled with these settings."""

    @dsl.pipeline(name="synthesis-run", description="Curates captions and synthesises images.")
    def pipeline(
        run_name: str,
        store_uri: str,
        caption_address: str,
        generation_address: str,
        import_captions_request: str,
        curate_request: str,
        generate_request: str,
        caption_file_digests: list[str],
        code_version: str,
        profile: str = "",
        resume_command: str = "",
    ) -> str:
        """Runs what a dataset run does up to the images. Its outcome, as JSON, has the pool."""
        ended = exit_step(
            report,
            settings,
            pipeline="synthesis-run",
            run_name=run_name,
            store_uri=store_uri,
            profile=profile,
            resume_command=resume_command,
            caption_file_digests=caption_file_digests,
            import_captions_request=import_captions_request,
            curate_request=curate_request,
            generate_request=generate_request,
        )
        steps = Steps(settings, code_version=code_version, run_name=run_name, store_uri=store_uri)
        with dsl.ExitHandler(ended, name="stages"):
            synthesised_pairs(
                steps,
                caption_address=caption_address,
                generation_address=generation_address,
                import_captions_request=import_captions_request,
                curate_request=curate_request,
                generate_request=generate_request,
                caption_file_digests=caption_file_digests,
            )
        return ended.output

    return pipeline
