"""URIs and paths that look like one place and mean another."""

from random import Random

from google.protobuf.message import Message

SECRET = b"what lies outside of the roots"
PASSWORD = "hunter2"
STEPS = [
    *("%2e%2e/secret", ".%2e/secret", "%2E./secret", "%252e%252e/secret", ".\t./secret"),
    *(".\n./secret", "../secret", "./secret", "a/../../secret", "..%2fsecret", "..%5csecret"),
    *("..\\secret", "\\secret", "/secret", "a//secret", "\uff0e\uff0e/secret", "\u2025/secret"),
    *("..\uff0fsecret", "%c0%ae%c0%ae/secret", "%ff/secret", "%zz/secret", "%/secret"),
    *(".. /secret", " ../secret", ".\u200b./secret", "%00/secret", "\0", "?secret", "a#secret"),
    *("a?x=/../secret", ".%09./secret", "%0a/secret", "\u202e/secret", "link", "link/x", "loop"),
    *("a", "/", "//", ".", "..", "%2e", "%2F", "%", "@", ":", "?", "%C3%A9", "store", "new"),
]
SCHEMES = ["file"] * 8 + ["FILE", "s3", "gs", "az", "memory", "http", "https", ""]
AUTHORITIES = [""] * 8 + [
    *("localhost", "bucket", "[::1", "169.254.169.254"),
    *(f"user:{PASSWORD}@bucket", f"user:a {PASSWORD}@"),
]


def any_path(random: Random, root: str) -> str:
    """A path that begins with ``root`` or with something like it."""
    pieces = [random.choice(STEPS) for _ in range(random.choice([1, 1, 2, 4]))]
    begin = random.choice(
        [f"{root}/", f"{root}/", root, root.upper() + "/", f"{root}/../", "/", ""]
    )
    return begin + random.choice(["", "/"]).join(pieces)


def any_uri(random: Random, root: str) -> str:
    """A URI of such a path."""
    path = any_path(random, root)
    slashes = random.choice(["//", "//", "//", "//", "//", "/", ""])
    return f"{random.choice(SCHEMES)}:{slashes}{random.choice(AUTHORITIES)}{path}"


def with_uri(random: Random, request: Message, root: str) -> Message:
    """``request`` with its store, its file or its destination somewhere else."""
    changed = type(request)()
    changed.CopyFrom(request)
    names = {field.name for field in request.DESCRIPTOR.fields}
    if "store" in names and ("files" not in names or random.randrange(2)):
        changed.store.uri = any_uri(random, root)
    elif "files" in names:
        changed.files[0] = random.choice([any_uri, any_path])(random, root)
    elif "file" in names:
        changed.file = random.choice([any_uri, any_path])(random, root)
    else:
        changed.destination_uri = any_uri(random, root)
    return changed
