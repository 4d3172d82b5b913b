"""lm-eval, run on local task files: ``hf`` for language models, ``hf-multimodal`` for images."""

import gc
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import lm_eval
import torch
import yaml
from lm_eval.api.registry import get_model
from lm_eval.defaults import DEFAULT_OTHER_SEED
from lm_eval.models.hf_vlms import HFMultimodalLM
from lm_eval.tasks import TaskManager

from synthvlm.errors import PreconditionFailed
from synthvlm.evaluation.config import EvaluationSettings

ModelKind = Literal["hf", "hf-multimodal"]
Samples = Mapping[str, Sequence[Mapping[str, Any]]]
"""lm-eval's log of every question, by task."""

_EMPTY: Final = TaskManager(include_defaults=False)


class _Multimodal(HFMultimodalLM):  # type: ignore[misc]
    """lm-eval's own model, without a second beginning of the sequence.

    Its text model leaves out the token that the tokenizer adds where the chat template has written
    one; its model for images does not.
    """

    def tok_batch_multimodal_encode(
        self, strings: list[str], images: list[list[Any]], **options: Any
    ) -> Any:
        """Encodes texts with their images."""
        begin = self.tokenizer.bos_token
        if begin and self.tokenizer("").input_ids[:1] == [self.tokenizer.bos_token_id]:
            strings = [text.removeprefix(begin) for text in strings]
        return super().tok_batch_multimodal_encode(strings, images, **options)


class Harness:
    """A model, loaded by lm-eval."""

    def __init__(self, kind: ModelKind, folder: Path, settings: EvaluationSettings) -> None:
        """Loads the model in ``folder``.

        Raises:
            PreconditionFailed: It is not a model of this kind.
        """
        logging.getLogger("lm_eval").setLevel(logging.WARNING)
        torch.set_num_threads(settings.threads)
        build = _Multimodal if kind == "hf-multimodal" else get_model(kind)
        options = {"device": settings.device, "dtype": settings.dtype}
        try:
            self._model = build(pretrained=str(folder), batch_size=settings.batch_size, **options)
        except (OSError, ValueError, KeyError) as error:
            raise PreconditionFailed(
                f"{folder} cannot be loaded as a model of lm-eval's kind {kind}: "
                f"{str(error).splitlines()[0]}"
            ) from error
        if self._template_begins():
            # What is read without a template gets its beginning from lm-eval.
            self._model.add_bos_token = False

    def run(
        self,
        tasks: Sequence[Mapping[str, Any] | str],
        manager: TaskManager = _EMPTY,
        shots: int | None = None,
        *,
        conversation: bool = True,
    ) -> Samples:
        """Asks all questions of some tasks.

        Tasks with images and tasks without must be run apart: lm-eval mixes their questions.

        Args:
            tasks: Configurations, or names that ``manager`` knows.
            manager: Where named tasks are.
            shots: Examples before each question; None: as the tasks say.
            conversation: Whether questions are put by the model's chat template.
        """
        loaded = manager.load(list(tasks))
        for task in loaded["tasks"].values():
            examples = task.get_config("num_fewshot") if shots is None else shots
            task.set_config(key="num_fewshot", value=examples or 0)
            task.set_fewshot_seed(seed=DEFAULT_OTHER_SEED)
        # lm-eval collects garbage after every batch, which takes as long as the batch unless what
        # is loaded is left alone.
        gc.collect()
        gc.freeze()
        try:
            # Not simple_evaluate, which lists the machine's packages and devices for seconds.
            answers = lm_eval.evaluate(
                lm=self._model,
                task_dict=loaded,
                apply_chat_template=conversation,
                fewshot_as_multiturn=True,
                bootstrap_iters=0,
            )
        finally:
            gc.unfreeze()
        samples: Samples = answers["samples"]
        return samples

    def _template_begins(self) -> bool:
        """Whether the chat template writes the beginning of the sequence itself."""
        begin = self._model.tokenizer.bos_token
        writer: Any = getattr(self._model, "processor", self._model.tokenizer)
        template = writer.chat_template
        if not begin or not template:
            return False
        message = {"role": "user", "content": "x"}
        return str(self._model.apply_chat_template([message])).startswith(begin)


def task_configurations(folder: Path) -> dict[str, dict[str, Any]]:
    """The tasks of the YAML files in ``folder``, by name, with absolute paths of their data."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        task = yaml.safe_load(path.read_text(encoding="utf-8"))
        options = task["dataset_kwargs"]
        options["data_files"] = {
            split: str(folder / name) for split, name in options["data_files"].items()
        }
        options["cache_dir"] = str(folder / "cache")
        found[task["task"]] = task
    return found
