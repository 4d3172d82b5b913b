import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, JpegImagePlugin

from synthvlm.errors import InvalidInput
from synthvlm.generation.encoding import DIGITAL_SOURCE_TYPE, ImageFormat, Mark, encode, read_mark
from synthvlm.generation.engine import BLANK, NOT_FINITE, find_defect

MARK = Mark(f"sha256:{'a' * 64}", f"sha256:{'b' * 64}", 2**63 - 1)
FORMATS = list(ImageFormat)

pixels = arrays(
    np.uint8,
    st.tuples(st.integers(1, 5), st.integers(1, 5)).map(lambda n: (8 * n[0], 8 * n[1], 3)),
)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("image_format", FORMATS)
@settings(max_examples=20, deadline=None)
@given(image=pixels, seed=st.integers(0, 2**63 - 1))
def test_the_mark_comes_back(image_format, image, seed):
    mark = Mark(MARK.model_digest, MARK.prompt_digest, seed)
    data = encode(image, image_format, mark)
    assert read_mark(data) == mark
    assert data == encode(image, image_format, mark)
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.get_format_mimetype() == image_format.media_type
        assert (opened.height, opened.width, 3) == image.shape
        if image_format is not ImageFormat.JPEG:
            assert np.array_equal(np.asarray(opened), image)


@pytest.mark.parametrize("image_format", FORMATS)
def test_other_programs_read_that_a_model_made_it(image, image_format):
    data = encode(image, image_format, MARK)
    with Image.open(io.BytesIO(data)) as opened:
        xmp = opened.info["xmp"].decode()
    assert f'Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}"' in xmp
    assert DIGITAL_SOURCE_TYPE.endswith("/trainedAlgorithmicMedia")


def test_the_mark_is_in_a_text_chunk_of_a_png_and_in_exif_elsewhere(image):
    with Image.open(io.BytesIO(encode(image, ImageFormat.PNG, MARK))) as png:
        assert png.text["Software"] == "synthvlm"
        assert MARK.model_digest in png.text["synthvlm"]
    for image_format in (ImageFormat.JPEG, ImageFormat.WEBP):
        with Image.open(io.BytesIO(encode(image, image_format, MARK))) as opened:
            assert opened.getexif()[0x0131] == "synthvlm"


def test_jpeg_has_quality_95_and_full_chroma(image):
    bare = io.BytesIO()
    Image.fromarray(image).save(bare, "JPEG", quality=95, subsampling=0)
    marked = io.BytesIO(encode(image, ImageFormat.JPEG, MARK))
    with Image.open(bare) as expected, Image.open(marked) as opened:
        assert JpegImagePlugin.get_sampling(opened) == 0
        assert opened.quantization == expected.quantization
        assert np.array_equal(np.asarray(opened), np.asarray(expected))


@pytest.mark.parametrize("image_format", FORMATS)
def test_an_image_of_another_program_has_no_mark(image, image_format):
    bare = io.BytesIO()
    Image.fromarray(image).save(bare, image_format.name)
    assert read_mark(bare.getvalue()) is None


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(InvalidInput):
        read_mark(data)


def test_a_damaged_mark_is_refused(image):
    data = encode(image, ImageFormat.JPEG, MARK)
    with pytest.raises(InvalidInput):
        read_mark(data.replace(b'"seed"', b'"sad":'))


def test_defects(image):
    assert find_defect(image, finite=True) is None
    assert find_defect(image, finite=False) == NOT_FINITE
    black = np.zeros((8, 8, 3), np.uint8)
    assert find_defect(black, finite=True) == BLANK
    assert find_defect(black, finite=False) == NOT_FINITE
    black[7, 7, 2] = 1
    assert find_defect(black, finite=True) is None
