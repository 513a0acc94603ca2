"""Pictures that prompts are about: checked, kept by their content, and shown to members only."""

import hashlib
import io
import warnings
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.http import FileResponse, Http404
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET
from PIL import Image as Picture

from accounts.models import Project
from accounts.permissions import can_see, project_view
from accounts.requests import MemberRequest
from annotate.models import Image

MAX_BYTES = 8_000_000
MAX_PIXELS = 40_000_000
TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


class ImageError(ValueError):
    """A file that cannot be shown as a picture; the message says why."""


def folder(project: Project) -> Path:
    return Path(settings.HOME) / "images" / str(project.pk)


def keep(project: Project, content: bytes, *, name: str = "The picture", description: str = "") -> Image:
    """Check a picture and keep it, once however often it comes. Raises ImageError."""
    if len(content) > MAX_BYTES:
        raise ImageError(f"{name} has {len(content) / 1e6:.1f} MB, {MAX_BYTES // 1_000_000} MB are allowed. Scale it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Picture.DecompressionBombWarning)
            with Picture.open(io.BytesIO(content)) as picture:
                media_type = TYPES.get(picture.format or "")
                width, height = picture.size
                picture.verify()
    except Exception as error:  # the decoders of many formats raise many things
        raise ImageError(f"{name} is not a picture that can be read: {error}.") from error
    if media_type is None:
        raise ImageError(f"{name} is neither PNG, JPEG nor WebP. Convert it to one of these.")
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name} has {width} x {height} pixels, {MAX_PIXELS:,} in all are allowed. Scale it.")
    digest = hashlib.sha256(content).hexdigest()
    store = FileSystemStorage(folder(project))
    if not store.exists(digest):
        store.save(digest, ContentFile(content))
    image, _ = Image.objects.get_or_create(
        project=project, sha256=digest,
        defaults={"media_type": media_type, "width": width, "height": height, "size": len(content),
                  "description": description},
    )  # fmt: skip
    return image


@require_GET
@cache_control(private=True, max_age=365 * 24 * 3600, immutable=True)
@project_view(can_see)
def image(request: MemberRequest, project: Project, sha256: str) -> FileResponse:
    found = get_object_or_404(Image, project=project, sha256=sha256)
    path = folder(project) / found.sha256
    if not path.is_file():
        raise Http404("The file of this picture is missing.")
    # The type is the one that was checked when it came in, and the browser may not guess another.
    response = FileResponse(path.open("rb"), content_type=found.media_type)
    response["X-Content-Type-Options"] = "nosniff"
    return response
