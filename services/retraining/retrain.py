"""From the newest labelled predictions to a validated champion, or to a refusal that says why."""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import structlog
from lifecycle.manifest import (
    EVIDENCE_FILE_NAME,
    MODEL_CARD_FILE_NAME,
    REFERENCE_FILE_NAME,
    Manifest,
    ModelFile,
)
from lifecycle.prediction_log import PredictionLog
from lifecycle.registry import ChampionChangedError, ModelRegistry
from lifecycle.rollouts import RolloutChangedError, RolloutMode, RolloutRunningError, Rollouts
from lightgbm.basic import LightGBMError

from retraining.dataset import Dataset, DatasetError
from retraining.description import Origin, describe_version
from retraining.evidence import Evidence
from retraining.examination import examine
from retraining.labelled import RunRefusedError, WindowRequest, read_labelled, split_for
from retraining.model_card import model_card
from retraining.progress import progress
from retraining.provenance import code_version
from retraining.recipe import Recipe, RecipeError, read_recipe, recipe_folder
from retraining.reference import reference_file
from retraining.runs import Outcome, Plan, Result, RunStore
from retraining.settings import RetrainingSettings
from retraining.training import Trained, train_on, train_on_cluster

_EVIDENCE_LIMIT_BYTES = 1024 * 1024


@dataclass(frozen=True)
class _Published:
    """A challenger in the registry, and what is kept of how it was judged."""

    version: int
    evidence: Evidence


class Retraining:
    """One model's registry, its predictions and its runs."""

    def __init__(
        self,
        registry: ModelRegistry,
        log: PredictionLog,
        runs: RunStore,
        rollouts: Rollouts,
        settings: RetrainingSettings,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Args: where versions, predictions, runs and rollouts are, how to train, what passes the time, in seconds."""
        self._registry = registry
        self._predictions = log
        self._runs = runs
        self._rollouts = rollouts
        self._settings = settings
        self._wait = wait
        self._log = structlog.stdlib.get_logger().bind(model=registry.model)

    def run(self) -> Outcome:
        """Trains a challenger, judges it and promotes it, or says why not.

        Another attempt of the same run follows the first one's plan: it reads the same rows, makes the same bytes,
        compares with the same champion, and ends as the first would have.

        Raises:
            StoreUnavailableError, ModelRefusedError, RegistryFullError, RunRecordError, ClusterUnavailableError: the
                run cannot go on; another attempt may.
        """
        run = self._settings.run or uuid4().hex
        ended = self._runs.outcome(run)
        if ended is not None:
            self._log.info("run_ended_before", run=run, result=ended.result)
            return ended
        try:
            plan = self._runs.plan(run, lambda: self._plan(run))
        except RunRefusedError as error:
            return self._finish(self._unplanned(run, error))
        try:
            recipe = read_recipe(self._settings.models_folder, self._registry.model)
            return self._finish(self._carry_out(plan, recipe))
        except RunRefusedError as error:
            return self._finish(_outcome(plan, "refused", error.cause, str(error), figures=error.figures))
        except RecipeError as error:
            return self._finish(_outcome(plan, "failed", "recipe_invalid", str(error)))
        except LightGBMError as error:
            # A parameter out of range, or no device of the kind asked for: another attempt would end the same.
            return self._finish(_outcome(plan, "failed", "training_failed", str(error)))

    def _plan(self, run: str) -> Plan:
        champion = self._registry.champion()
        if champion is None:
            message = f"{self._registry.model} has no champion to compare with; `bootstrap` makes the first version"
            raise RunRefusedError("no_champion", message)
        now = datetime.now(UTC)
        return Plan(
            run=run,
            job=self._settings.job,
            model=self._registry.model,
            trigger=self._settings.trigger,
            mode=self._settings.mode,
            started_at=now,
            until=now,
            champion_version=champion.version,
            champion_tag=champion.e_tag,
        )

    def _unplanned(self, run: str, error: RunRefusedError) -> Outcome:
        now = datetime.now(UTC)
        return Outcome(
            run=run,
            job=self._settings.job,
            model=self._registry.model,
            trigger=self._settings.trigger,
            result="refused",
            cause=error.cause,
            message=str(error),
            started_at=now,
            finished_at=now,
        )

    def _carry_out(self, plan: Plan, recipe: Recipe) -> Outcome:
        self._log.info("run_started", run=plan.run, trigger=plan.trigger, mode=plan.mode, until=str(plan.until))
        champion = self._registry.load(plan.champion_version)
        self._settle(plan)
        request = WindowRequest(until=plan.until, days=self._settings.window_days, since=self._settings.since)
        labelled = read_labelled(self._predictions, recipe, request)
        self._log.info("rows_read", **labelled.figures)
        older, newest = split_for(labelled, recipe, champion.manifest.training.window.end)
        self._log.info("training_started", rows=len(older), holdout_rows=len(newest), rounds=recipe.rounds)
        try:
            trained = self._train(older, newest, recipe)
        except DatasetError as error:
            raise RunRefusedError("data_invalid", str(error), labelled.figures) from None
        self._log.info("training_done", **trained.metrics)
        if trained.text == champion.text:
            message = f"training gave version {plan.champion_version} again, byte for byte"
            raise RunRefusedError("same_model", message, labelled.figures)
        examined = examine(trained, recipe, champion, labelled.figures)
        origin = Origin(
            data_sha256=labelled.dataset.sha256,
            code_version=code_version(recipe_folder(self._settings.models_folder, recipe.name)),
            parent_version=plan.champion_version,
        )
        published = self._publish(trained, recipe, origin, examined.of)
        return self._decide(plan, published, labelled.figures)

    def _train(self, older: Dataset, newest: Dataset, recipe: Recipe) -> Trained:
        settings, told = self._settings, progress(self._log)
        if settings.engine == "process":
            return train_on(
                older,
                newest,
                recipe,
                num_threads=settings.num_threads,
                device_type=settings.device_type,
                on_round=told,
            )
        from retraining.spread import connected  # noqa: PLC0415 - Dask takes a second and 50 MiB; one process needs none

        with connected(settings) as cluster:
            return train_on_cluster(older, newest, recipe, cluster, told)

    def _settle(self, plan: Plan) -> None:
        """Waits until what was asked of scoring before the run began has arrived: nobody's label is passed over."""
        settled_at = plan.until + timedelta(seconds=self._settings.settle_seconds)
        seconds = (settled_at - datetime.now(UTC)).total_seconds()
        if seconds > 0:
            self._log.info("settling", seconds=round(seconds, 1))
            self._wait(seconds)

    def _publish(
        self, trained: Trained, recipe: Recipe, origin: Origin, evidence_of: Callable[[int], Evidence]
    ) -> _Published:
        text = trained.text.encode()

        def describe(version: int, file: ModelFile) -> Manifest:
            return describe_version(trained, recipe, origin, version, file)

        def beside(version: int) -> Mapping[str, bytes]:
            manifest = describe(version, ModelFile.of(text))
            evidence = evidence_of(version)
            return {
                REFERENCE_FILE_NAME: reference_file(trained, manifest),
                EVIDENCE_FILE_NAME: evidence.to_json(),
                MODEL_CARD_FILE_NAME: model_card(evidence, manifest.training),
            }

        published = self._registry.publish(text, describe, beside)
        self._log.info("version_published", version=published.version, created=published.created)
        # What an attempt that was killed has written stays, its measured latency too: it is what decides.
        kept = self._registry.file(published.version, EVIDENCE_FILE_NAME, _EVIDENCE_LIMIT_BYTES)
        return _Published(published.version, Evidence.model_validate_json(kept))

    def _decide(self, plan: Plan, published: _Published, figures: Mapping[str, float]) -> Outcome:
        evidence, version = published.evidence, published.version
        for gate in evidence.gates:
            self._log.info("gate", gate=gate.gate, passed=gate.passed, reason=gate.reason)
        if evidence.champion_version != plan.champion_version:
            message = f"version {version} is this very model, and was judged against {evidence.champion_version}"
            raise RunRefusedError("same_model", message, figures)
        if not evidence.passed:
            return _outcome(plan, "refused", "gates", evidence.summary, published=published, figures=figures)
        if plan.mode == "dry_run":
            return _outcome(plan, "passed", "dry_run", evidence.summary, published=published, figures=figures)
        if self._settings.rollout != "immediate":
            return self._roll_out(self._settings.rollout, plan, published, figures)
        try:
            self._registry.promote(
                version,
                replacing=plan.champion,
                actor=f"retraining/{plan.trigger}",
                reason=f"run {plan.run}: {evidence.summary}"[:1000],
            )
        except ChampionChangedError as error:
            return _outcome(plan, "refused", "champion_changed", str(error), published=published, figures=figures)
        return _outcome(plan, "promoted", "", evidence.summary, published=published, figures=figures)

    def _roll_out(self, mode: RolloutMode, plan: Plan, published: _Published, figures: Mapping[str, float]) -> Outcome:
        """Puts a challenger on trial; who watches it decides what becomes of it."""
        version, summary = published.version, published.evidence.summary
        ended = functools.partial(_outcome, plan, published=published, figures=figures)
        current = self._rollouts.current()
        # By an attempt before this one, whatever became of it since.
        if current is None or current.step.version != version:
            if self._registry.champion() != plan.champion:
                message = f"the champion is no longer version {plan.champion_version}, which it was compared with"
                return ended("refused", "champion_changed", message)
            actor, reason = f"retraining/{plan.trigger}", f"run {plan.run}: {summary}"
            try:
                self._rollouts.begin(version, mode, plan.champion, actor=actor, reason=reason)
            except (RolloutRunningError, RolloutChangedError) as error:
                return ended("refused", "rollout_running", str(error))
        return ended("rolling_out", "", f"on trial as {mode}: {summary}")

    def _finish(self, outcome: Outcome) -> Outcome:
        kept = self._runs.finish(outcome)
        self._log.info(
            "run_ended",
            run=kept.run,
            result=kept.result,
            cause=kept.cause,
            version=kept.version,
            gates=kept.gates,
            message=kept.message,
        )
        return kept


def _outcome(
    plan: Plan,
    result: Result,
    cause: str,
    message: str,
    *,
    published: _Published | None = None,
    figures: Mapping[str, float] | None = None,
) -> Outcome:
    return Outcome(
        run=plan.run,
        job=plan.job,
        model=plan.model,
        trigger=plan.trigger,
        result=result,
        cause=cause,
        message=message[:2000],
        gates=published.evidence.refusals if published else (),
        version=published.version if published else None,
        champion_version=plan.champion_version,
        figures=dict(figures or {}),
        started_at=plan.started_at,
        finished_at=datetime.now(UTC),
    )
