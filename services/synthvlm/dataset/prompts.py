"""The instructions of LLaVA's pretraining format, chosen for each image by its id alone."""

import hashlib

PROMPTS = (
    "Describe the image concisely.",
    "Summarise in a few words what this picture shows.",
    "What can be seen here? Keep the answer short.",
    "Give a short and clear account of the image.",
    "Write one brief sentence about the picture.",
    "State the main content of this image in a compact form.",
    "Offer a succinct description of what is depicted.",
    "Tell in short what the photo presents.",
    "Provide a concise caption for the given image.",
    "Sum up the visual content briefly.",
    "In plain and few words, explain what the image contains.",
)
"""Eleven ways to ask for a short description, as in LLaVA's pretraining set."""


def prompt_of(image_id: str) -> str:
    """The instruction for an image: uniformly distributed, and the same in every run."""
    number = int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:8], "big")
    return PROMPTS[number % len(PROMPTS)]


def llava_record(image_id: str, image: str, caption: str) -> dict[str, object]:
    """A record of LLaVA's training files.

    Args:
        image_id: Id of the image.
        image: Path of the image below the image folder used in training.
        caption: The answer that the model learns.
    """
    return {
        "id": image_id,
        "image": image,
        "conversations": [
            {"from": "human", "value": f"{prompt_of(image_id)}\n<image>"},
            {"from": "gpt", "value": caption},
        ],
    }
