"""Runs the service: `python -m nervure.service`, with the settings named by NERVURE_SETTINGS."""

import gc
import sys

import uvicorn

from nervure import settings_file
from nervure.clock import SystemClock
from nervure.operations.setup import open_hub
from nervure.service.app import create_app
from nervure.settings import SettingsError


def main() -> int:
    """Serves until it is told to stop."""
    path = settings_file.find()
    if path is None:
        print("no settings: write nervure.toml (nervure init) or set NERVURE_SETTINGS", file=sys.stderr)
        return 2
    try:
        settings = settings_file.load(path)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    token = settings.hub.api_token.get_secret_value() if settings.hub.api_token else None
    # What is imported lives as long as the process: looking through it for garbage costs a request a tenth of a second.
    gc.collect()
    gc.freeze()
    app = create_app(lambda: open_hub(settings, SystemClock()), api_token=token)
    uvicorn.run(app, host=settings.hub.host, port=settings.hub.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
