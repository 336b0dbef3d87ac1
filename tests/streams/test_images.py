"""Claims about decoding images."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from evo_mtl.errors import DataError
from evo_mtl.streams.images import resize, to_rgb


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pixel(raw: bytes | np.ndarray) -> list[int]:
    image = to_rgb(raw, "x")
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    return image[0, 0].tolist()


def one(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (4, 3), colour)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        (one("L", 100), "PNG", [100, 100, 100]),
        (one("1", 1), "PNG", [255, 255, 255]),
        (one("RGB", (1, 2, 3)), "BMP", [1, 2, 3]),
        (one("RGB", (1, 2, 3)), "PPM", [1, 2, 3]),
        (one("RGBA", (200, 0, 0, 0)), "PNG", [255, 255, 255]),
        (one("RGBA", (200, 0, 0, 255)), "TIFF", [200, 0, 0]),
        (one("LA", (0, 0)), "PNG", [255, 255, 255]),
        (one("CMYK", (0, 0, 0, 255)), "TIFF", [0, 0, 0]),
        (one("CMYK", (0, 0, 0, 0)), "JPEG", [255, 255, 255]),
        (one("I;16", 65535), "PNG", [255, 255, 255]),
        (one("I;16", 257 * 7), "PNG", [7, 7, 7]),
        (one("I;16", 257 * 7), "TIFF", [7, 7, 7]),
        (one("I", 257 * 9), "TIFF", [9, 9, 9]),
        (one("F", 0.5), "TIFF", [128, 128, 128]),
        (one("F", 200.0), "TIFF", [200, 200, 200]),
    ],
)
def test_every_colour_mode_arrives_as_people_see_it(
    image: Image.Image, kind: str, expected: list[int]
) -> None:
    assert pixel(encoded(image, kind)) == expected


def test_a_palette_with_transparency_lies_over_white() -> None:
    image = one("P", 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert pixel(encoded(image)) == [10, 20, 30]
    assert pixel(encoded(image, transparency=0)) == [255, 255, 255]


def test_a_rotated_photo_arrives_upright() -> None:
    image = Image.new("RGB", (4, 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert to_rgb(encoded(image, "JPEG", exif=exif)).shape == (4, 2, 3)


def test_arrays_of_one_to_four_channels_arrive_as_rgb() -> None:
    assert pixel(np.full((2, 2), 9, np.uint8)) == [9, 9, 9]
    assert pixel(np.full((2, 2, 1), 9, np.uint8)) == [9, 9, 9]
    assert pixel(np.zeros((2, 2, 2), np.uint8)) == [255, 255, 255]
    assert pixel(np.full((2, 2, 4), 255, np.uint8)) == [255, 255, 255]
    assert pixel(np.full((2, 2), 65535, np.uint16)) == [255, 255, 255]
    assert pixel(np.ones((2, 2), bool)) == [255, 255, 255]
    for bad in (np.zeros((2, 2)), np.zeros((2, 2, 5), np.uint8), np.zeros((0, 2), np.uint8)):
        with pytest.raises(DataError, match=r"^x: "):
            to_rgb(bad, "x")


def test_every_truncation_of_an_image_is_refused_by_name_or_decoded_whole() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        raw = encoded(Image.fromarray(noise), kind)
        messages = []
        for end in range(0, len(raw), 13):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    assert to_rgb(raw[:end], "cut").shape == (16, 16, 3)
                except DataError as error:
                    messages.append(str(error))
        assert messages, kind
        assert all(message.startswith("cut: ") for message in messages)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(DataError, match=r"x: 30 x 40 is more than 1,000 pixels"):
        to_rgb(encoded(Image.new("L", (30, 40))), "x", max_pixels=1000)
    with pytest.raises(DataError, match="pixels"):
        to_rgb(encoded(Image.new("1", (9500, 9500))), "x")


def test_formats_that_are_not_listed_and_other_bytes_are_refused() -> None:
    for raw in (
        b"",
        b"hello",
        encoded(Image.new("L", (4, 4)), "ICO"),
        encoded(Image.new("L", (4, 4)), "TGA"),
    ):
        with pytest.raises(DataError, match=r"^x: not an image"):
            to_rgb(raw, "x")


def test_resize_squashes_to_a_square_and_averages_when_shrinking() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, ::2] = 200
    small = resize(image, 10)
    assert small.shape == (10, 10, 3)
    assert abs(int(small.mean()) - 100) <= 6
