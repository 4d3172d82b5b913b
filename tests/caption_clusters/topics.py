"""Captions of topics that share no telling word."""

import random

TOPICS = {
    "sea": (["beach", "wave", "sand", "boat", "surfer"], ["rides", "rests at", "watches"]),
    "kitchen": (["oven", "bread", "knife", "chef", "plate"], ["bakes", "cuts", "serves"]),
    "street": (["taxi", "corner", "lamp", "crowd", "tram"], ["waits at", "crosses", "turns"]),
}


def captions_of(topic: str, count: int, seed: int = 0) -> list[str]:
    """Captions that name two things of the topic, each with a word that no other has."""
    things, verbs = TOPICS[topic]
    chance = random.Random(f"{topic} {seed}")
    return [
        f"a {chance.choice(things)} {chance.choice(verbs)} the {chance.choice(things)} "
        f"{topic}{number}"
        for number in range(count)
    ]
