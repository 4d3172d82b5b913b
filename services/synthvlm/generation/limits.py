"""Limits of sampling parameters, shared by settings and requests; documented in the proto."""

from typing import Annotated

from pydantic import Field

MAX_SIDE = 2048
"""Largest width and height, in pixels."""

SIZE_STEP = 8
"""Width and height are multiples of this, in pixels."""

Steps = Annotated[int, Field(ge=1, le=500)]
"""Number of denoising steps."""

Guidance = Annotated[float, Field(gt=0, le=50, allow_inf_nan=False)]
"""A guidance scale."""

Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""A fraction of the noise schedule."""

Side = Annotated[int, Field(ge=SIZE_STEP, le=MAX_SIDE, multiple_of=SIZE_STEP)]
"""A width or height in pixels."""
