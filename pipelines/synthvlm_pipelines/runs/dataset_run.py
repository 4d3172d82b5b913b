"""The dataset run: captions in, dataset version out, and a model that was trained on it."""

from typing import Any

from kfp import dsl

from synthvlm_pipelines.components.assemble import assemble
from synthvlm_pipelines.components.evaluate import evaluate
from synthvlm_pipelines.components.report import report
from synthvlm_pipelines.components.train import train
from synthvlm_pipelines.runs.selected_pairs import selected_pairs
from synthvlm_pipelines.settings import PipelineSettings
from synthvlm_pipelines.steps import Steps, exit_step


def dataset_run(settings: PipelineSettings) -> Any:
    """The pipeline, compiled with these settings."""

    @dsl.pipeline(
        name="dataset-run",
        description="Curates captions, synthesises and scores images, publishes the best pairs; "
        "trains a model on them and evaluates it.",
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
        assemble_request: str,
        caption_file_digests: list[str],
        code_version: str,
        train_request: str = "",
        evaluate_request: str = "",
        profile: str = "",
        prices: str = "",
        resume_command: str = "",
    ) -> str:
        """Imports; curates, generates and scores each shard; selects, assembles, trains, evaluates.

        The last two run if they have a request. However the run ends, its report is in the store,
        below ``reports/<run_name>``; it names ``profile``, what the run costs by ``prices`` (the
        profile's section ``cost`` as JSON), and ``resume_command`` to whoever wants to go on. The
        run gives its outcome as JSON.

        A stage's request is its proto message as JSON (``StageRequests.arguments``).
        The arguments contain the digests of models and caption files, so that KFP's cache, which
        compares arguments, never takes one model's or one file's result for another's.
        """
        ended = exit_step(
            report,
            settings,
            pipeline="dataset-run",
            run_name=run_name,
            store_uri=store_uri,
            profile=profile,
            prices=prices,
            resume_command=resume_command,
            caption_file_digests=caption_file_digests,
            import_captions_request=import_captions_request,
            curate_request=curate_request,
            generate_request=generate_request,
            score_request=score_request,
            select_request=select_request,
            assemble_request=assemble_request,
            train_request=train_request,
            evaluate_request=evaluate_request,
        )
        steps = Steps(settings, code_version=code_version, run_name=run_name, store_uri=store_uri)
        with dsl.ExitHandler(ended, name="stages"):
            selected = selected_pairs(
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
            version = steps(
                assemble,
                address=dataset_address,
                request=assemble_request,
                selected=selected.output,
            )
            with dsl.If(train_request != "", name="trained"):
                trained = steps(train, request=train_request, version=version.output)
                with dsl.If(evaluate_request != "", name="evaluated"):
                    steps(evaluate, request=evaluate_request, model=trained.output)
        return ended.output

    return pipeline
