"""LLaVA's way to place labels, from its description: by counting the tokens of each round.

Each text between placeholders is tokenized by itself. A round is what lies between two ends of an
answer; it has as many tokens as when it is tokenized alone, its start token standing for the end of
the answer. What is asked has as many as when it is tokenized with the blank after ``ASSISTANT:``,
but for the start token and that blank. If the rounds do not add up to the whole, nothing is learnt.
"""

from synthvlm.training.conversation import IMAGE, Template, Turn
from synthvlm.training.encoder import IGNORED

IMAGE_ID = -200


def prompt_of(template: Template, turns: list[Turn]) -> str:
    """The whole text of a conversation in the v1 template."""
    text = f"{template.system} " if template.system else ""
    for turn in turns:
        text += f"USER: {turn.text} " if turn.role == "user" else f"ASSISTANT: {turn.text}</s>"
    return text


def tokens_of(tokenizer, text: str) -> list[int]:
    ids = [tokenizer.bos_token_id]
    for number, piece in enumerate(text.split(IMAGE)):
        ids += [IMAGE_ID] * (number > 0)
        ids += tokenizer(piece).input_ids[1:]
    return ids


def counted_labels(tokenizer, text: str) -> list[int]:
    """Labels of the text's tokens."""
    ids = tokens_of(tokenizer, text)
    labels, at = [IGNORED], 1
    for round_ in text.split("</s>"):
        if not round_:
            break
        asked, *answers = round_.split(" ASSISTANT: ")
        if len(answers) != 1:
            break
        total = len(tokens_of(tokenizer, round_))
        given = len(tokens_of(tokenizer, f"{asked} ASSISTANT: ")) - 2
        labels += [IGNORED] * given + ids[at + given : at + total]
        at += total
    return labels if at == len(ids) else [IGNORED] * len(ids)
