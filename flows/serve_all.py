"""Serves every deployment of prefect.yaml on this machine: `python -m flows.serve_all`, started by `nervure up`.

It says `serving` once everything is registered and the first windows have been asked for. SIGTERM asks the windows to
end well; what has not ended a few seconds later is canceled. With `--watch` it only installs the automation.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import yaml
from prefect import State
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.runner import Runner
from prefect.schedules import Cron, Interval, Schedule
from prefect.states import Crashed

from flows.recording import RUNNER_VARIABLE, STOP_VARIABLE, WITH_WARNINGS

ROOT = Path(__file__).resolve().parents[1]
POLL_SECONDS = 1.0
MAX_RUNS = 24
ENDING_SECONDS = 4.0
"""So long the windows may take to end well."""
SILENT_SECONDS = 90
ZOMBIES = "Nervure: a run without a heartbeat has crashed"
NOT_BEGUN = [StateType.SCHEDULED]
UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = [f"prefect.flow-run.{name}" for name in ("Completed", WITH_WARNINGS, "Failed", "Cancelled", "Crashed")]
"""Prefect names an event by the state's name, so an end of our own name must be among them."""


def read_deployments(file: Path = ROOT / "prefect.yaml") -> list[RunnerDeployment]:
    """The deployments of prefect.yaml."""
    return [_deployment(entry) for entry in yaml.safe_load(file.read_text("utf-8"))["deployments"]]


def _deployment(entry: dict[str, Any]) -> RunnerDeployment:
    return RunnerDeployment.from_entrypoint(
        entry["entrypoint"],
        name=entry["name"],
        description=entry.get("description"),
        tags=entry.get("tags", []),
        parameters=entry.get("parameters", {}),
        schedules=[_schedule(one) for one in entry.get("schedules", [])],
    )


def _schedule(entry: dict[str, Any]) -> Schedule:
    if "interval" in entry:
        return Interval(timedelta(seconds=entry["interval"]))
    return Cron(entry["cron"], timezone=entry["timezone"])


class EndingRunner(Runner):
    """A runner that lets its runs end by themselves before it cancels what is left."""

    def handle_sigterm(self, *_args: object, **_kwargs: object) -> None:
        if not self.started or self.stopping:
            sys.exit(0)
        self.stopping = True
        self.execute_in_background(self._end)

    async def _end(self) -> None:
        self._scheduled_run_poller.stopping = True
        stop_file = os.environ.get(STOP_VARIABLE)
        if stop_file:
            await anyio.Path(stop_file).touch()
            with anyio.move_on_after(ENDING_SECONDS):
                while self._process_manager.flow_run_ids():
                    await asyncio.sleep(0.1)
        await self.astop()


async def clear_old_runs(client: PrefectClient, deployments: DeploymentFilter) -> None:
    """Runs of a runner that is gone: those not begun would all start now, and those begun will never end."""
    past = FlowRunFilterExpectedStartTime(before_=datetime.now(UTC))
    for states in (NOT_BEGUN, UNFINISHED):
        state_filter = FlowRunFilterState(type=FlowRunFilterStateType(any_=states))
        wanted = FlowRunFilter(state=state_filter, expected_start_time=past)
        while runs := await client.read_flow_runs(flow_run_filter=wanted, deployment_filter=deployments, limit=200):
            for run in runs:
                if states is NOT_BEGUN:
                    await client.delete_flow_run(run.id)
                else:
                    state: State[None] = Crashed(
                        message="The flow runner ended before the run did; the next one took over."
                    )
                    await client.set_flow_run_state(run.id, state, force=True)


async def install_zombie_watch(client: PrefectClient) -> None:
    """A run that was killed says nothing any more: after a while without a heartbeat it counts as crashed."""
    if await client.read_automations_by_name(ZOMBIES):
        return
    trigger = EventTrigger(
        after={HEARTBEAT},
        expect={HEARTBEAT, *ENDS},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=SILENT_SECONDS),
    )
    crashed = ChangeFlowRunState(state=StateType.CRASHED, message="No heartbeat: the process of this run is gone.")
    await client.create_automation(AutomationCore(name=ZOMBIES, trigger=trigger, actions=[crashed]))


async def serve() -> None:
    """Registers everything, starts the first windows, and serves until told to stop."""
    runner = EndingRunner(name="nervure", pause_on_shutdown=False, limit=MAX_RUNS, query_seconds=POLL_SECONDS)
    deployments = [(one, await runner.aadd_deployment(one)) for one in read_deployments()]
    async with get_client() as client:
        await clear_old_runs(client, DeploymentFilter(id=DeploymentFilterId(any_=[one for _, one in deployments])))
        await install_zombie_watch(client)
        for deployment, deployment_id in deployments:
            if "at-start" in deployment.tags:
                await client.create_flow_run_from_deployment(deployment_id)
    print("serving", flush=True)
    await runner.start()


async def watch() -> None:
    """Only installs the automation, where workers of a pool run the flows."""
    async with get_client() as client:
        await install_zombie_watch(client)


def main() -> None:
    os.chdir(ROOT)
    if sys.argv[1:] == ["--watch"]:
        asyncio.run(watch())
        return
    os.environ[RUNNER_VARIABLE] = str(os.getpid())
    stop_file = os.environ.get(STOP_VARIABLE)
    if stop_file:
        Path(stop_file).unlink(missing_ok=True)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
