"""Prompts for measuring."""


def prompt(number: int) -> str:
    """Prompts as long as captions are."""
    shapes = ("circle", "square", "triangle", "star")
    colours = ("red", "green", "blue", "yellow", "purple")
    return (
        f"a large {colours[number % 5]} {shapes[number % 4]} to the left of "
        f"a small {colours[number // 5 % 5]} {shapes[number // 4 % 4]}"
    )
