"""Chromium for tests of HTML pages, driven by Playwright, without a network."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.chromium import executable

ARGUMENTS = (
    "--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def launched() -> Iterator[Browser]:
    """A running browser."""
    program, variables = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=ARGUMENTS, env={**os.environ, **variables}, chromium_sandbox=False
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True)
class OpenPage:
    """A loaded file. requests: URLs of everything it requested. messages: errors and warnings of the console."""

    page: Page
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        return self.page.evaluate(expression)

    def screenshot(self, path: Path) -> Image.Image:
        """The whole page, also written to `path`. On a busy machine, Chromium may fail to draw a frame once."""
        try:
            drawn = self.page.screenshot(path=path, full_page=True)
        except Error:
            drawn = self.page.screenshot(path=path, full_page=True)
        return Image.open(io.BytesIO(drawn)).convert("RGB")


def open_page(
    browser: Browser,
    file: Path,
    *,
    width: int = 1200,
    height: int = 900,
    color_scheme: Literal["dark", "light"] = "light",
    media: Literal["print", "screen"] = "screen",
) -> OpenPage:
    """Load `file` and wait until it is complete. Pages opened before are closed."""
    for context in browser.contexts:
        context.close()
    context = browser.new_context(
        viewport={"width": width, "height": height},
        is_mobile=width < 600,
        color_scheme=color_scheme,
        offline=True,
    )
    opened = OpenPage(context.new_page())
    url = file.resolve().as_uri()
    opened.page.on("request", lambda request: opened.requests.append(request.url) if request.url != url else None)
    opened.page.on("console", lambda message: opened.messages.append(message.text))
    opened.page.on("pageerror", lambda error: opened.messages.append(str(error)))
    opened.page.emulate_media(media=media)
    opened.page.goto(url)
    return opened


def colours(image: Image.Image) -> set[str]:
    """The distinct colours of an image as RRGGBB."""
    return {"{:02x}{:02x}{:02x}".format(*colour) for _, colour in image.getcolors(image.width * image.height)}
