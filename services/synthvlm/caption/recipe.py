"""Data-Juicer recipes: YAML to rules."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

import yaml
from pydantic import ValidationError

from synthvlm.caption.locations import Locations
from synthvlm.caption.operators import (
    EXECUTION_PARAMETERS,
    OPERATORS,
    FlaggedWordsParameters,
    TokenNumParameters,
)
from synthvlm.caption.rules import Rule
from synthvlm.caption.tokenization import TOKENIZER_FILE, load_tokenizer
from synthvlm.errors import DomainError, FieldViolation, InvalidInput
from synthvlm.storage import canonical_json, sha256_digest
from synthvlm.yaml_text import load_yaml

MAX_RECIPE_BYTES = 64 * 1024
"""Largest recipe, in bytes of UTF-8."""

MAX_TEXT_KEY_CHARACTERS = 256
"""Longest name of a text column."""

EXECUTION_KEYS = frozenset(
    """
    project_name dataset_path export_path export_type export_shard_size export_in_parallel
    export_extra_args keep_stats_in_res_ds keep_hashes_in_res_ds np use_cache ds_cache_dir
    cache_compress use_checkpoint temp_dir open_tracer op_list_to_trace trace_num trace_keys
    open_insight_mining op_list_to_mine open_monitor op_fusion fusion_strategy adaptive_resource
    auto_op_parallelism turbo skip_op_error executor_type ray_address debug
    save_stats_in_one_file
    """.split()
)
"""Data-Juicer's global keys that say where it reads and writes and how it runs. They decide nothing
of a caption: here the caller names the files and the store."""

_MAX_OPERATORS = 100
_MAX_DEPTH = 32
_MAX_WORDS_BYTES = 8 << 20
_RECIPES = resources.files(__package__) / "recipes"


@dataclass(frozen=True)
class Recipe:
    """A recipe.

    Attributes:
        rules: Its rules, in its order.
        text_key: Name of the column or key with the text, where a file is read; empty: it names
            none.
    """

    rules: tuple[Rule, ...]
    text_key: str = ""

    def configuration(self) -> list[dict[str, Any]]:
        """All that the verdicts depend on, as JSON values.

        Defaults are filled in; words and tokenizers are told by digest, wherever they lie.
        """
        return [
            {
                "operator": rule.operator.name,
                "parameters": rule.parameters.model_dump(
                    exclude={"flagged_words", "flagged_words_dir", "hf_tokenizer"}
                ),
                "statistic": sha256_digest(canonical_json(rule.parameters.shaping())),
            }
            for rule in self.rules
        ]


def shipped_recipes() -> list[str]:
    """Names of the recipes that the package ships."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in _RECIPES.iterdir()
        if entry.name.endswith(".yaml")
    )


def load_recipe(name_or_path: str, locations: Locations) -> Recipe:
    """Reads a recipe of the service's settings.

    Args:
        name_or_path: A shipped recipe's name, or a YAML file.
        locations: Where files of words may lie.

    Raises:
        InvalidInput: There is no such recipe, or it is wrong.
    """
    if name_or_path in shipped_recipes():
        text = (_RECIPES / f"{name_or_path}.yaml").read_text("utf-8")
    else:
        try:
            text = Path(name_or_path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"the recipe {name_or_path!r} cannot be read ({error}); give a YAML file or one of "
                f"{', '.join(shipped_recipes())}",
                [FieldViolation("recipe", "is not a recipe")],
            ) from error
    return parse_recipe(text, locations)


def parse_recipe(text: str, locations: Locations) -> Recipe:
    """Parses a recipe.

    Of its global keys, ``process`` and ``text_keys`` are used. Those that only say where and how
    Data-Juicer itself runs decide nothing of a caption and are passed over.

    Args:
        text: The YAML, or a shipped recipe's name.
        locations: Where files of words may lie.

    Raises:
        InvalidInput: It is not valid YAML, has a key, operator or parameter that is not supported,
            or has values that are wrong; the violation's field is ``recipe_yaml``.
    """
    if text in shipped_recipes():
        return load_recipe(text, locations)
    content = _content(text)
    if not isinstance(content, dict) or not isinstance(content.get("process"), list):
        _reject("must be a mapping with a list `process` of operators")
    text_key = _text_key(content)
    process: list[Any] = content["process"]
    if not 1 <= len(process) <= _MAX_OPERATORS:
        _reject(f"must have 1 to {_MAX_OPERATORS} operators in `process`, not {len(process)}")
    rules = [_rule(number, entry, locations) for number, entry in enumerate(process)]
    _require_one_statistic_each(rules)
    return Recipe(tuple(rules), text_key)


def _text_key(content: dict[Any, Any]) -> str:
    """What ``text_keys`` says, once it is clear that every global key is known."""
    for name in content:
        if name not in ("process", "text_keys") and name not in EXECUTION_KEYS:
            _reject(
                f"has the global key {_shown(name)}, which is not supported; supported are process "
                f"and text_keys, and without effect on captions {', '.join(sorted(EXECUTION_KEYS))}"
            )
    given = content.get("text_keys")
    if given is None:
        return ""
    keys = given if isinstance(given, list) else [given]
    if len(keys) != 1:
        _reject(f"has text_keys with {len(keys)} keys; one is supported, the key of the caption")
    if not isinstance(keys[0], str) or not 1 <= len(keys[0]) <= MAX_TEXT_KEY_CHARACTERS:
        _reject(
            f"has text_keys that do not name a key of 1 to {MAX_TEXT_KEY_CHARACTERS} characters"
        )
    return keys[0]


def _content(text: str) -> Any:
    try:
        depth = 0
        # libyaml builds nested values by recursion without a limit: deep ones would end the
        # process. Its events come one by one.
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                _reject(f"must not nest more than {_MAX_DEPTH} lists and mappings")
            # Merged mappings are copied: a few lines of them, each of ten others, fill any memory.
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
                _reject("must not merge mappings (<<)")
        return load_yaml(text, yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        _reject(f"is not valid YAML: {' '.join(str(error).split())}")


def _rule(number: int, entry: Any, locations: Locations) -> Rule:
    where = f"process[{number}]"
    if not isinstance(entry, dict) or len(entry) != 1:
        _reject(f"{where} must be one operator's name with its parameters: `- name: {{…}}`")
    ((name, given),) = entry.items()
    operator = OPERATORS.get(name) if isinstance(name, str) else None
    if operator is None:
        _reject(
            f"{where} names the operator {_shown(name)}, which is not supported; supported are "
            f"{', '.join(OPERATORS)}"
        )
    given = {} if given is None else given
    if not isinstance(given, dict):
        _reject(f"{where}: the parameters of {name} must be a mapping")
    if given.get("tokenization") is True:
        _reject(
            f"{where}: {name} with tokenization true needs a tokenizer model and is not supported; "
            f"supported are, with tokenization false, {', '.join(OPERATORS)}"
        )
    deciding = {key: value for key, value in given.items() if key not in EXECUTION_PARAMETERS}
    try:
        parameters = operator.parameters.model_validate(deciding)
    except (ValidationError, TypeError) as error:
        _reject(f"{where}: {name}: {_described(error, operator.parameters)}")
    if isinstance(parameters, FlaggedWordsParameters):
        parameters = parameters.with_words(_flagged_words(where, parameters, locations))
    if isinstance(parameters, TokenNumParameters):
        parameters = _with_tokenizer(where, parameters, locations)
    return Rule(operator, parameters)


def _described(error: ValidationError | TypeError, parameters: type[Any]) -> str:
    if isinstance(error, TypeError):
        return "parameters must have names"
    entry = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(step) for step in entry["loc"])[:100]
    if entry["type"] == "extra_forbidden":
        known = ", ".join(parameters.model_fields)
        return f"there is no parameter {field!r}; there are {known}"
    return f"{field}: {entry['msg'][:1].lower()}{entry['msg'][1:]}"


def _with_tokenizer(
    where: str, parameters: TokenNumParameters, locations: Locations
) -> TokenNumParameters:
    try:
        return parameters.with_tokenizer(load_tokenizer(parameters.hf_tokenizer, locations))
    except DomainError as error:
        problem = error.message
    except ValueError as error:
        problem = str(error)
    _reject(
        f"{where}: token_num_filter cannot use hf_tokenizer {_shown(parameters.hf_tokenizer)}: "
        f"{problem}. Nothing is loaded from a hub: give the absolute path of a {TOKENIZER_FILE} "
        f"that the service may read, or of its folder, or bundled:NAME; save_pretrained of "
        f"transformers' AutoTokenizer writes the file"
    )


def _require_one_statistic_each(rules: Sequence[Rule]) -> None:
    shapes: dict[str, Any] = {}
    for rule in rules:
        shape = rule.parameters.shaping()
        if shapes.setdefault(rule.operator.statistic, shape) != shape:
            # Data-Juicer would judge by the first one's statistic without a word.
            _reject(
                f"has {rule.operator.name} twice with different parameters for its statistic "
                f"{rule.operator.statistic}; a recipe can hold one statistic of a name"
            )


def _flagged_words(
    where: str, parameters: FlaggedWordsParameters, locations: Locations
) -> frozenset[str]:
    if parameters.flagged_words is not None and parameters.flagged_words_dir is not None:
        _reject(f"{where}: give flagged_words or flagged_words_dir, not both")
    if parameters.flagged_words is not None:
        return frozenset(parameters.flagged_words)
    if parameters.flagged_words_dir is None:
        lists = {"en": shipped_flagged_words()}
    else:
        folder = locations.local_folder(parameters.flagged_words_dir)
        if folder is None:
            _reject(
                f"{where}: flagged_words_dir must be an absolute folder that the service may read"
            )
        lists = _word_lists(where, folder, locations)
    lists.setdefault("all", frozenset().union(*lists.values()))
    if parameters.lang not in lists:
        _reject(
            f"{where}: there are no flagged words for lang {parameters.lang!r}; there are "
            f"{', '.join(sorted(lists))}"
        )
    return lists[parameters.lang]


@functools.cache
def shipped_flagged_words() -> frozenset[str]:
    """The words of ``recipes/flagged_words_en.txt``."""
    lines = (_RECIPES / "flagged_words_en.txt").read_text("utf-8").splitlines()
    words = (line.partition("#")[0].strip() for line in lines)
    return frozenset(word for word in words if word)


def _word_lists(where: str, folder: Path, locations: Locations) -> dict[str, frozenset[str]]:
    """Data-Juicer's form: JSON files named ``*flagged_words*.json`` of language to words."""
    lists: dict[str, frozenset[str]] = {}
    try:
        for path in sorted(folder.glob("*flagged_words*.json")):
            # By their own names: a link in an allowed folder may lead out of it.
            with locations.find(str(path), "recipe_yaml").open() as file:
                data = file.read(_MAX_WORDS_BYTES + 1)
            if len(data) > _MAX_WORDS_BYTES:
                _reject(f"{where}: {path.name} is larger than {_MAX_WORDS_BYTES >> 20} MiB")
            for language, words in json.loads(data).items():
                added = frozenset(word for word in words if isinstance(word, str))
                lists[language] = lists.get(language, frozenset()) | added
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        _reject(f"{where}: a file of flagged_words_dir is not a JSON object of lists of words")
    if not lists:
        _reject(f"{where}: flagged_words_dir has no file *flagged_words*.json")
    return lists


def _shown(name: Any) -> str:
    return repr(name[:100]) if isinstance(name, str) else f"of type {type(name).__name__}"


def _reject(problem: str) -> NoReturn:
    raise InvalidInput(f"the recipe {problem}", [FieldViolation("recipe_yaml", problem)])
