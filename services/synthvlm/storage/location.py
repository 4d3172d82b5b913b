"""Where a store lies: parsed once, and compared by its parts, never by its text.

A URI is text that every library reads in its own way: one decodes ``%2e%2e``, another drops a tab,
a third removes empty segments. So it is read here, once, and what is ambiguous is refused. Nothing
after this sees the text again.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

from synthvlm.errors import FieldViolation, InvalidInput

FILE, MEMORY = "file", "memory"
SCHEMES = (FILE, "s3", "gs", "az", MEMORY)
"""The kinds of stores, as their URIs begin."""

_AUTHORITY = re.compile(r"[A-Za-z0-9$](?:[A-Za-z0-9_-]|\.(?!\.)){0,254}")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPED = str.maketrans({"%": "%25", "?": "%3F", "#": "%23"})
_USER_INFORMATION = re.compile(r"(?<=:)(/*)\S*@")
_BEFORE_HOST = re.compile(r"(?<=:)(/*).*@", re.DOTALL)
_QUERY = re.compile(r"\?[^\s'\")]*")


@dataclass(frozen=True)
class Location:
    """A folder of an object store or of this machine.

    Attributes:
        scheme: One of ``SCHEMES``.
        authority: The bucket, container or name; empty for ``file``, and for a root that stands for
            every bucket.
        segments: The path's parts, decoded. None is empty, ``.`` or ``..``, holds a slash, a
            backslash or anything that does not print.
    """

    scheme: str
    authority: str
    segments: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """The one text that stands for it."""
        path = "".join(f"/{segment.translate(_ESCAPED)}" for segment in self.segments)
        if self.scheme == FILE:
            path = path or "/"
        return f"{self.scheme}://{self.authority}{path}"

    @property
    def folder(self) -> Path:
        """The folder of a ``file`` location."""
        if self.scheme != FILE:
            raise ValueError(f"{self.uri} is not a folder of this machine")
        return Path("/", *self.segments)

    def canonical(self) -> "Location":
        """The place that it leads to: links of the file system are followed.

        Raises:
            InvalidInput: They lead in a circle, or to a name that a location cannot have.
        """
        if self.scheme != FILE:
            return self
        try:
            folder = self.folder.resolve()
        except (OSError, RuntimeError) as error:
            raise refused(f"{self.uri} leads nowhere: its links form a circle") from error
        segments = folder.parts[1:]
        for segment in segments:
            if problem := _problem(segment):
                raise refused(f"{self.uri} leads to a folder whose name {problem}")
        return replace(self, segments=segments)

    def is_below(self, root: "Location") -> bool:
        """Whether it is ``root`` or lies in it; both canonical."""
        every_bucket = not root.authority and not root.segments
        return (
            self.scheme == root.scheme
            and (self.authority == root.authority or every_bucket)
            and self.segments[: len(root.segments)] == root.segments
        )


def parse_location(uri: str) -> Location:
    """Reads ``file:///folder``, ``s3://bucket/prefix``, ``gs://…``, ``az://…``, ``memory://name``.

    Percent-encoded characters are decoded, once. User information, ports, queries, fragments, empty
    segments, ``.`` and ``..``, in whatever disguise, are refused.

    Raises:
        InvalidInput: It is not the URI of a store; the violation's field is ``store.uri``.
    """
    location = _parse(uri)
    if location.scheme != FILE and not location.authority:
        raise refused(f"{shown(uri)} names no bucket; give {location.scheme}://bucket/prefix")
    return location


def parse_root(text: str) -> Location:
    """Reads a root: a location, an absolute folder, or ``s3://`` for every bucket.

    Raises:
        InvalidInput: It is none of these.
    """
    if text.startswith("/"):
        return file_location(Path(text))
    return _parse(text).canonical()


def file_location(folder: Path) -> Location:
    """The location of a local folder, links followed.

    Raises:
        InvalidInput: A part of its name does not print, or has a backslash.
    """
    return Location(FILE, "", folder.absolute().parts[1:]).canonical()


def file_uri(folder: Path) -> str:
    """The URI of a local folder, links followed.

    Raises:
        InvalidInput: As ``file_location``.
    """
    return file_location(folder).uri


class Roots:
    """The locations at or below which stores may be opened.

    Args:
        roots: As ``parse_root`` reads them.

    Raises:
        InvalidInput: One of them is not a root.
    """

    def __init__(self, roots: Iterable[str]) -> None:
        self._roots = [parse_root(root) for root in roots]

    @property
    def only(self) -> Location | None:
        """The root, where there is one alone that is a store."""
        one = self._roots[0] if len(self._roots) == 1 else None
        return None if one is None or (one.scheme != FILE and not one.authority) else one

    def require(self, location: Location) -> Location:
        """The canonical location.

        Raises:
            InvalidInput: It is not below a root.
        """
        canonical = location.canonical()
        if not self.cover(canonical):
            raise refused(f"the store {location.uri} is not one that this service may use")
        return canonical

    def cover(self, canonical: Location) -> bool:
        """Whether a canonical location is below a root."""
        return any(canonical.is_below(root) for root in self._roots)


def redacted(text: str) -> str:
    """``text`` without what may be a secret: user information and queries of URLs in it.

    URLs that are wrong count too: ``https:name:password@host`` lacks its slashes, not its password.
    """
    return _QUERY.sub("", _USER_INFORMATION.sub(r"\1", text))


def refused(message: str) -> InvalidInput:
    """The error for a location that cannot be used."""
    return InvalidInput(message, [FieldViolation("store.uri", message)])


def _parse(uri: str) -> Location:
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme not in SCHEMES:
        raise refused(
            f"{shown(uri)} is not an object store; give file:///folder, s3://bucket/prefix, "
            f"gs:// or az://"
        )
    authority, _, path = rest.partition("/")
    problem = _authority_problem(scheme, authority)
    if not problem and ("?" in path or "#" in path):
        problem = "has a query or a fragment; write ? as %3F and # as %23"
    segments = tuple(path.removesuffix("/").split("/")) if path else ()
    decoded = []
    for segment in segments:
        text, undecodable = _decoded(segment)
        problem = problem or undecodable or _problem(text)
        if "%" in text and scheme != FILE:
            # Some would decode it once more.
            problem = problem or "has an encoded percent sign"
        decoded.append(text)
    if problem:
        raise refused(f"{shown(uri)} is not the URI of a store: it {problem}")
    return Location(scheme, authority, tuple(decoded))


def shown(uri: str) -> str:
    """A URI as errors repeat it: blanks in a password do not end it."""
    return repr(redacted(_BEFORE_HOST.sub(r"\1", uri)))


def _authority_problem(scheme: str, authority: str) -> str:
    if scheme == FILE:
        return "names a host; give file:///folder" if authority else ""
    if authority and _AUTHORITY.fullmatch(authority) is None:
        return "has something else than the name of a bucket or container after ://"
    return ""


def _decoded(segment: str) -> tuple[str, str]:
    """The decoded segment, and what is wrong with its encoding."""
    if _ESCAPE.search(segment):
        return segment, "has a percent sign that encodes nothing; write it as %25"
    try:
        return unquote_to_bytes(segment).decode(), ""
    except ValueError:  # also what has no UTF-8 at all
        return segment, "has a name that is not UTF-8"


def _problem(segment: str) -> str:
    """What is wrong with a decoded segment; empty: nothing."""
    if not segment:
        return "has an empty segment"
    if not segment.isprintable():
        return "has a character that does not print"
    # Full-width dots and slashes are dots and slashes to some.
    plain = unicodedata.normalize("NFKC", segment).strip()
    if plain in ("", ".", ".."):
        return "has a segment that means another folder"
    if "/" in plain or "\\" in plain:
        return "has a slash or backslash inside a segment"
    return ""
