"""From bytes of any image file to ``(H, W, 3)`` 8-bit RGB, safely.

Only formats that are listed are opened, sizes are checked before pixels are decoded, and every
fault becomes a :class:`DataError` that names the image.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from evo_mtl.errors import DataError, reason

Raw = bytes | np.ndarray | Image.Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM", "TIFF")
SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .webp .bmp .dib .gif .ppm .pgm .pbm .pnm .tif .tiff".split()  # noqa: SIM905
)
MAX_PIXELS = 64_000_000
MAX_FILE_BYTES = 256_000_000


def is_image_file(name: str) -> bool:
    """Whether a file of that name is taken for an image."""
    return Path(name).suffix.lower() in SUFFIXES


def to_rgb(image: Raw, place: object = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """An image as people see it: upright, over white, 8 bits a colour.

    Args:
        image: Bytes of an image file, an opened image, or an array ``(H, W)`` or ``(H, W, C)`` with
            ``C`` in 1 (grey), 2 (grey, alpha), 3 or 4 (alpha); uint8, uint16 or bool.
        place: The image's name, for messages.
        max_pixels: Most pixels that are decoded.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        DataError: Not an image, broken, of a format that is not opened, or too large.
    """
    if isinstance(image, np.ndarray):
        return _array_to_rgb(image, place)
    try:
        opened = open_image(image, place, max_pixels)
        return _pil_to_rgb(opened, place)
    except DataError:
        raise
    except Exception as error:  # a decoder fed with hostile bytes may raise anything
        raise DataError(f"broken image: {reason(error)}", place) from None


def open_image(image: bytes | Image.Image, place: object = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image's header, before any pixel is decoded; size and format are checked."""
    if isinstance(image, bytes):
        try:
            image = Image.open(io.BytesIO(image), formats=FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise DataError(f"more than {max_pixels:,} pixels", place) from None
        except Exception as error:
            if isinstance(error, Image.UnidentifiedImageError):
                raise DataError(f"not an image (opened are {', '.join(FORMATS)})", place) from None
            raise DataError(f"broken image: {reason(error)}", place) from None
    width, height = image.size
    if width * height > max_pixels:
        raise DataError(f"{width} x {height} is more than {max_pixels:,} pixels", place)
    if width * height == 0:
        raise DataError("an image without pixels", place)
    return image


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """``(H, W, 3)`` uint8 squashed to ``(size, size, 3)``, bilinear with antialiasing."""
    if image.shape[:2] == (size, size):
        return image
    resized = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def _pil_to_rgb(image: Image.Image, place: object) -> np.ndarray:
    image.load()
    image = ImageOps.exif_transpose(image)
    mode = image.mode
    if mode.startswith("I;16"):
        return _grey(_from_16_bits(np.asarray(image).astype(np.uint16)))
    if mode in {"I", "F"}:
        return _grey(_from_wide(np.asarray(image), place))
    if mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info:
        if mode == "La":
            image = image.convert("LA")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def _grey(image: np.ndarray) -> np.ndarray:
    return np.repeat(image[:, :, None], 3, axis=2)


def _from_16_bits(image: np.ndarray) -> np.ndarray:
    return ((image.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _from_wide(image: np.ndarray, place: object) -> np.ndarray:
    """32-bit grey: whole numbers are taken to span 16 bits (31 if they exceed that), floats 1, 8 or 16 bits."""
    low, high = float(image.min()), float(image.max())
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0:
        raise DataError("expected grey values from 0 up, met negative or non-finite ones", place)
    if image.dtype.kind == "f":
        top = next((top for top in (1.0, 255.0, 65535.0) if high <= top), None)
    else:
        top = 65535.0 if high <= 65535 else 2.0**31 - 1
    if top is None:
        raise DataError(f"expected float grey values up to 1, 255 or 65535, met {high:g}", place)
    return np.rint(image.astype(np.float64) * (255.0 / top)).astype(np.uint8)


def _array_to_rgb(image: np.ndarray, place: object) -> np.ndarray:
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in {1, 2, 3, 4} or image.size == 0:
        raise DataError(f"expected (H, W) or (H, W, C) with C from 1 to 4, met {image.shape}", place)
    if image.dtype == np.bool_:
        image = image.astype(np.uint8) * 255
    elif image.dtype == np.uint16:
        image = _from_16_bits(image)
    elif image.dtype != np.uint8:
        raise DataError(f"expected uint8 values, met {image.dtype}", place)
    channels = image.shape[2]
    if channels in {2, 4}:
        alpha = image[:, :, -1:].astype(np.uint32)
        colour = image[:, :, :-1].astype(np.uint32)
        image = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    if channels <= 2:
        return _grey(image[:, :, 0])
    return np.ascontiguousarray(image)
