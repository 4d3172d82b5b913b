"""The tokenizer of mini-llm: byte-level BPE, trained on the lessons; it encodes any text.

Its form is Llama's: ``<s>`` before a text, ``</s>`` after what the assistant said, and a chat
template. ``<image>`` is LLaVA's placeholder for what a vision tower sees.
"""

import random
from typing import Final

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from synthvlm.scenes.grammar import VOCABULARY
from synthvlm.scenes.mini_models.lessons import IMAGE, sample_lesson, user_text

CONTEXT: Final = 256
BOS: Final = "<s>"
EOS: Final = "</s>"
PAD: Final = "<pad>"
SIZE: Final = 1024
"""An upper limit: the lessons' words fill fewer tokens."""

LESSONS: Final = 4000

CHAT_TEMPLATE: Final = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}USER: {{ message['content'] }} "
    "{% elif message['role'] == 'assistant' %}"
    "ASSISTANT: {{ message['content'] }}{{ eos_token }}"
    "{% else %}{{ raise_exception('mini-llm knows the roles user and assistant only') }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def build_llm_tokenizer(seed: int = 0, lessons: int = LESSONS) -> PreTrainedTokenizerFast:
    """Trains the tokenizer; the same arguments give the same one.

    Args:
        seed: Seed of the lessons that it is trained on.
        lessons: How many. With few, words of the world may be split.
    """
    tokenizer = Tokenizer(models.BPE())
    # Digits one by one: telephone numbers are not words.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=[BOS, EOS, PAD, IMAGE],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    rng = random.Random(seed)
    turns = [turn for _ in range(lessons) for turn in sample_lesson(rng)]
    texts = [
        turn.answer if turn.prompt is None else f"{user_text(turn.prompt)} {turn.answer}"
        for turn in turns
    ]
    # Meaningless letters, the only long words, would become tokens too.
    texts = [text for text in texts if max(map(len, text.split())) < 16]
    texts += [f"{word} {word}" for word in VOCABULARY] * 20
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        extra_special_tokens={"image_token": IMAGE},
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
    )
