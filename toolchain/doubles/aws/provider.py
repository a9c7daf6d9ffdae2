"""The stand-in's answers to the engine; what it promises is in the package's documentation."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from toolchain.doubles.aws import checks, formats, functions, naming, references, rendering, settings, subnets
from toolchain.doubles.aws.account import VARIABLE, Account, Holdings, Record
from toolchain.doubles.aws.failures import VARIABLE as FAILURE_VARIABLE
from toolchain.doubles.aws.failures import Failures, Moment
from toolchain.doubles.aws.models import operation_input
from toolchain.doubles.aws.resource_type import ResourceType
from toolchain.doubles.aws.types import TYPES, where_to_extend
from toolchain.doubles.changes import Change, compare, touches
from toolchain.doubles.engine import EngineLog
from toolchain.doubles.errors import InitializationError, InvalidInputsError, RefusedError
from toolchain.doubles.properties import UNKNOWN, Properties
from toolchain.doubles.provider import Difference, Live, Naming, Operation, Provider, Resource

_MARK = "__defaults"
API_SERVER_VARIABLE = "AWS_DOUBLE_EKS"
_TAGS = ("tags", "tagsAll")


class AwsProvider(Provider):
    """AWS resources in a simulated account."""

    plugin = "pulumi-resource-aws"
    version = "7.51.1"

    def __init__(self, log: EngineLog) -> None:
        """Waits for `configure` before it looks for an account."""
        super().__init__(log)
        self._settings = settings.Settings()
        self._account: Account | None = None
        self._failures = Failures.parse(os.environ.get(FAILURE_VARIABLE, ""))

    def check_config(self, inputs: Properties) -> Properties:
        """See `Provider`."""
        settings.read(inputs, os.environ)
        self._failures.check(TYPES)
        return inputs

    def diff_config(self, old: Properties, new: Properties) -> bool:
        """Another region means other resources."""
        return old.get("region") != new.get("region")

    def configure(self, inputs: Properties) -> None:
        """See `Provider`."""
        self._settings = settings.read(inputs, os.environ)
        allowed, forbidden = self._settings.allowed_accounts, self._settings.forbidden_accounts
        self._account = Account.from_environment(os.environ, allowed)
        if self._account is not None:
            number = self._account.look().account
            if (allowed and number not in allowed) or number in forbidden:
                message = (
                    f"AWS account ID not allowed: {number}; the stack's provider allows {', '.join(allowed) or 'any'}"
                    f"{' but ' + ', '.join(forbidden) if forbidden else ''}: use the credentials of the stack's account"
                )
                raise RefusedError(message)

    def check(self, resource: Resource, old: Properties, new: Properties, names: Naming) -> Properties:
        """See `Provider`."""
        row = TYPES.get(resource.token)
        if row is None:
            raise InvalidInputsError({"": where_to_extend(resource.token)})
        inputs = naming.completed(row, resource, old, formats.with_documents_as_text(row.formats, new), names)
        failures = checks.failures(row, operation_input(row.service, row.operation), inputs)
        if failures:
            raise InvalidInputsError(failures)
        return self._tagged(row, inputs)

    def diff(self, resource: Resource, old_inputs: Properties, old_outputs: Properties, new: Properties) -> Difference:  # noqa: ARG002 - resources differ by their inputs alone
        """See `Provider`."""
        row = _row(resource)
        changes = compare(_without_mark(old_inputs), _without_mark(new))
        changes = [replace(change, replaces=_takes_new(row, change)) for change in changes]
        return Difference(changes, deletes_first=self._clashes(row, old_inputs, new))

    def create(self, resource: Resource, inputs: Properties, operation: Operation) -> tuple[str, Properties]:
        """See `Provider`."""
        row = _row(resource)
        if operation.preview:
            return "", {**row.defaults, **_without_mark(inputs), **dict.fromkeys(rendering.computed(row), UNKNOWN)}
        if self._failures.strikes(resource.token, resource.name, Moment.BEFORE):
            raise RefusedError(_injected(resource, "nothing was made"))
        with self._open(resource, "creating").change() as holdings:
            record = self._made(row, resource, inputs, holdings)
            holdings.records.append(record)
        if self._failures.strikes(resource.token, resource.name, Moment.AFTER):
            reason = _injected(resource, f"it was made as {record.identifier}, but the answer is lost")
            raise InitializationError(record.identifier, inputs=inputs, outputs=record.outputs, reasons=[reason])
        return record.identifier, record.outputs

    def update(
        self,
        resource: Resource,
        identifier: str,
        outputs: Properties,
        inputs: Properties,
        operation: Operation,
    ) -> Properties:
        """See `Provider`."""
        row = _row(resource)
        if operation.preview:
            known = {key: value for key, value in outputs.items() if key in rendering.computed(row)}
            return rendering.given_first({**row.defaults, **_without_mark(inputs)}, known)
        with self._open(resource, "updating").change() as holdings:
            record = holdings.find(resource.token, identifier)
            if record is None:
                message = f"updating {_label(resource, identifier)}: {row.missing}: there is none; refresh the stack"
                raise RefusedError(message)
            _refuse_dangling(resource, inputs, holdings)
            record.inputs = inputs
            record.outputs = self._outputs(row, inputs, holdings, record.seed)
        return record.outputs

    def read(self, resource: Resource, identifier: str, inputs: Properties, outputs: Properties) -> Live:  # noqa: ARG002 - the account knows both
        """See `Provider`."""
        _row(resource)
        record = self._open(resource, "reading").look().find(resource.token, identifier)
        return Live() if record is None else Live(identifier, record.inputs, record.outputs)

    def delete(self, resource: Resource, identifier: str, outputs: Properties, operation: Operation) -> None:  # noqa: ARG002 - the account knows them
        """See `Provider`."""
        with self._open(resource, "deleting").change() as holdings:
            record = holdings.find(resource.token, identifier)
            if record is None:
                return
            hindrance = references.obstacle(holdings, record)
            if hindrance is not None:
                held = ", ".join(f"{holder.identifier} ({holder.token})" for holder in hindrance.holders)
                message = f"deleting {_label(resource, identifier)}: {hindrance.error}: it {hindrance.says}"
                raise RefusedError(f"{message}; needed by {held}" if held else message)
            holdings.remove([record, *references.companions(holdings, record)])

    def invoke(self, function: str, arguments: Properties) -> Properties:
        """See `Provider`."""
        answer = functions.FUNCTIONS.get(function)
        if answer is None:
            message = (
                f"the function {function} is not offered by the stand-in for {self.plugin}; there are "
                f"{', '.join(sorted(functions.FUNCTIONS))}; add it to toolchain/doubles/aws/functions.py"
            )
            raise RefusedError(message)
        number = self._account.look().account if self._account else next(iter(self._settings.allowed_accounts), "")
        return answer(arguments, functions.Caller(number, self._settings.region))

    def _open(self, resource: Resource, what: str) -> Account:
        if self._account is None:
            message = (
                f"{what} {resource.name} ({resource.token}): this is a stand-in for {self.plugin}, and there is no "
                f"simulated account; install the official plugin, or name a file in {VARIABLE} to rehearse in"
            )
            raise RefusedError(message)
        return self._account

    def _made(self, row: ResourceType, resource: Resource, inputs: Properties, holdings: Holdings) -> Record:
        _refuse_dangling(resource, inputs, holdings)
        if misfit := subnets.misfit(holdings, resource.token, inputs):
            message = f"creating {resource.name} ({resource.token}): {misfit}"
            raise RefusedError(message)
        seed = holdings.next_seed(resource.urn)
        outputs = self._outputs(row, inputs, holdings, seed)
        identifier = rendering.identifier(row, inputs, self._origin(holdings, inputs, seed))
        values = [inputs.get(key) for key in row.unique]
        for other in holdings.of(row.token):
            same = any(values) and values == [other.inputs.get(key) for key in row.unique]
            if other.identifier == identifier or same:
                message = f"creating {_label(resource, other.identifier)}: {row.exists}: there is one already"
                raise RefusedError(f"{message}; import it, or take another name")
        return Record(row.token, identifier, resource.urn, seed, inputs, outputs)

    def _outputs(self, row: ResourceType, inputs: Properties, holdings: Holdings, seed: str) -> Properties:
        outputs = rendering.outputs(row, inputs, self._origin(holdings, inputs, seed))
        if row.token == references.CLUSTER:
            outputs.update(_api_server(os.environ.get(API_SERVER_VARIABLE, "")))
        return outputs

    def _origin(self, holdings: Holdings, inputs: Properties, seed: str) -> rendering.Origin:
        return rendering.Origin(holdings.account, str(inputs.get("region") or self._settings.region), seed)

    def _tagged(self, row: ResourceType, inputs: Properties) -> Properties:
        own = inputs.get("tags")
        if not row.tags or not (own or self._settings.default_tags):
            return inputs
        if own is UNKNOWN:
            return {**inputs, "tagsAll": UNKNOWN}
        return {**inputs, "tagsAll": {**self._settings.default_tags, **(own or {})}}

    def _clashes(self, row: ResourceType, old: Properties, new: Properties) -> bool:
        """Whether the new one cannot live beside the old one, for both have the same name."""
        if naming.is_autonamed(row, new):
            return False
        nowhere = rendering.Origin("", "", "")
        if "{hex" not in row.identifier and "{uuid" not in row.identifier:
            return rendering.identifier(row, old, nowhere) == rendering.identifier(row, new, nowhere)
        return bool(row.unique) and [old.get(key) for key in row.unique] == [new.get(key) for key in row.unique]


def _row(resource: Resource) -> ResourceType:
    row = TYPES.get(resource.token)
    if row is None:
        raise RefusedError(where_to_extend(resource.token))
    return row


def _label(resource: Resource, identifier: str) -> str:
    return f"{resource.name} ({resource.token} {identifier})"


def _injected(resource: Resource, what: str) -> str:
    return f"creating {resource.name} ({resource.token}): ServiceUnavailable: {what} (asked for by {FAILURE_VARIABLE})"


def _refuse_dangling(resource: Resource, inputs: Mapping[str, Any], holdings: Holdings) -> None:
    found = references.dangling(holdings, resource.token, inputs)
    if found is not None:
        reference, value = found
        missing = TYPES[reference.target].missing if reference.target in TYPES else "NotFound"
        message = (
            f"{resource.name} ({resource.token}): {missing}: {reference.path} is {value!r}; "
            f"there is no such {reference.target} in the account"
        )
        raise RefusedError(message)


def _takes_new(row: ResourceType, change: Change) -> bool:
    if change.path[0] in _TAGS:
        return False
    plain = tuple(step for step in change.path if isinstance(step, str))
    rules = (*row.immutable, "region", *([row.name] if row.name else []))
    return any(rule == "*" or touches(plain, rule.split(".")) for rule in rules)


def _without_mark(inputs: Mapping[str, Any]) -> Properties:
    return {key: value for key, value in inputs.items() if key != _MARK}


def _api_server(kubeconfig: str) -> Properties:
    """The address and authority of the API server that a kubeconfig's current context is for, as a cluster's outputs.

    Empty where no kubeconfig is named.
    """
    if not kubeconfig:
        return {}
    # Only a rehearsal needs it, and it takes as long to load as all the rest.
    from toolchain.doubles.kubernetes.kubeconfig import load  # noqa: PLC0415
    from toolchain.doubles.kubernetes.settings import Settings  # noqa: PLC0415

    cluster = load(Settings(kubeconfig=kubeconfig)).cluster
    return {"endpoint": cluster.server, "certificateAuthority": {"data": cluster.certificate_auth_data}}
