"""A real browser without a window, told what to do over its DevTools protocol: navigate, type, press, look.

An answer is a new page, or new pieces of the same one: whoever waits here waits for either.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

CHROMIUM = shutil.which("chromium")
WAIT_SECONDS = 60.0
SCREENSHOTS = "NERVURE_TEST_SCREENSHOTS"
MARK = """(() => {
    if (window.was_here === undefined) document.addEventListener('htmx:afterRequest', ({detail}) => {
        const goes = detail.xhr.getResponseHeader('HX-Redirect') !== null;
        if (detail.elt.id !== 'queue' && !goes) window.was_here = false;
    });
    window.was_here = true;
})()"""
"""A new page does not have the mark. The script takes it away when an answer is in its place."""

CURSOR_IS_SET = """(() => {
    const first = document.querySelector('[autofocus]');
    return !first || document.activeElement === first;
})()"""


class Browser:
    """One page of a browser."""

    def __init__(self, socket: Connection, session: str = "") -> None:
        self._socket = socket
        self._session = session
        self._last = 0

    def call(self, method: str, **params: Any) -> Any:
        """One command of the protocol and its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=WAIT_SECONDS))
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]

    def attach(self, *, width: int, height: int) -> "Browser":
        """A new page of this size."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Browser(self._socket, session)
        page.call("Page.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        return page

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        """Goes to an address and waits until it is there."""
        self._mark()
        self.call("Page.navigate", url=url)
        self._wait()

    def type(self, name: str, text: str) -> None:
        """Types into the field of this name, over what stands there."""
        self.run(f"document.querySelector('[name=\"{name}\"]').select?.()")
        self.run(f"document.querySelector('[name=\"{name}\"]').focus()")
        self.call("Input.insertText", text=text)

    def scan(self, text: str) -> None:
        """Types where the cursor is and presses Enter, as a scanner does, and waits for the answer."""
        self._mark()
        self.call("Input.insertText", text=text)
        self.keys("\r")
        self._wait()

    def keys(self, text: str) -> None:
        """Presses these keys one after the other, wherever the cursor is, and waits for nothing."""
        for one in text:
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13} if one == "\r" else {"key": one}
            self.call("Input.dispatchKeyEvent", type="keyDown", text=one, **key)
            self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def press(self, text: str) -> None:
        """Clicks the button or link with this text, and waits for the answer."""
        self._mark()
        self.click(text)
        self._wait()

    def click(self, text: str) -> None:
        """Clicks the button or link with this text, and waits for nothing."""
        found = self.run(
            "(() => { const all = [...document.querySelectorAll('button, a, summary')];"
            f"const one = all.find(e => e.textContent.trim() === {json.dumps(text)} || e.querySelector('b')"
            f"?.textContent === {json.dumps(text)}); if (!one) return false; one.click(); return true; }})()"
        )
        assert found, f"no button {text!r} on: {self.text()}"

    def answer_dialog(self, kind: str, *, accept: bool) -> None:
        """Waits for a question of the browser itself, and answers it."""
        while True:
            said = json.loads(self._socket.recv(timeout=WAIT_SECONDS))
            if said.get("method") == "Page.javascriptDialogOpening":
                assert said["params"]["type"] == kind
                break
        self.call("Page.handleJavaScriptDialog", accept=accept)

    def text(self) -> str:
        """What a person reads on the page."""
        return str(self.run("document.body.innerText"))

    def looks(self, name: str) -> None:
        """Keeps a picture of the whole page where SCREENSHOTS names a folder."""
        folder = os.environ.get(SCREENSHOTS)
        if folder:
            shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
            Path(folder).mkdir(parents=True, exist_ok=True)
            Path(folder, f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def _mark(self) -> None:
        self.run(MARK)

    def _wait(self) -> None:
        self.until(f"!window.was_here && document.readyState === 'complete' && {CURSOR_IS_SET}")

    def until(self, script: str) -> None:
        """Waits until an expression in the page is true."""
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            if self.run(script):
                return
            time.sleep(0.05)
        raise AssertionError(f"never came: {script}; this is there: {self.text()}")


@contextmanager
def browser(folder: Path, *, width: int = 1024, height: int = 768) -> Iterator[Browser]:
    """Chromium with a profile of its own in `folder`, as wide as a tablet."""
    assert CHROMIUM is not None
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--hide-scrollbars",
        # Chromium drops what is typed before a page is painted for the first time; a person cannot be so fast.
        "--allow-pre-commit-input",
    ]
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en"]
    command = [CHROMIUM, *options, *quiet, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port_file = folder / "DevToolsActivePort"
        until = time.monotonic() + WAIT_SECONDS
        while not (port_file.exists() and port_file.read_text().count("\n")) and time.monotonic() < until:
            time.sleep(0.1)
        port, path = port_file.read_text().split("\n")[:2]
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as socket:
            yield Browser(socket).attach(width=width, height=height)
    finally:
        process.terminate()
        process.wait(timeout=WAIT_SECONDS)
