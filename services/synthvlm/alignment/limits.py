"""Limits of score parameters, shared by settings and requests; documented in the proto."""

from typing import Annotated

from pydantic import Field

ClipWeight = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""Weight of CLIPScore against SSIMScore."""

VlmSize = Annotated[int, Field(ge=8, le=1024)]
"""Input size of a VLM, in pixels."""
