"""What clients may ask the daemon for: parse the arguments, one call of the application, render."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec

from syncd.control.views import View, jobs_view, run_view
from syncd.control.why import why
from syncd.errors import NotFoundError, SyncdError
from syncd.model.event import Event, RunEnded
from syncd.model.run import Run
from syncd.daemon.endpoint import Handler, Tell
from syncd.service import Service
from syncd.version import __version__
