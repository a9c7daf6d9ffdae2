"""docs/scale.md."""

from typing import Any, Final

from benchmarks.serving.workload import BATCH_ROWS
from toolchain.ci.prices import read_prices
from toolchain.scale import inputs as source
from toolchain.scale.model import (
    DRIFT_ROW_BYTES,
    LOADS,
    NODE_CORES,
    NODE_CORES_TAKEN,
    OTHER_CORES,
    PARTS,
    Inputs,
    Load,
    gives_way,
    largest_cost,
    next_to_give_way,
    size,
)

_HEAD: Final = """\
# How far it goes, and what it costs

Written by `make docs` from a model (`toolchain/scale/model.py`) and what it starts from; nothing here was run at these
sizes. Measured is what a pod does, on the machine that [Serving, measured](benchmarks/serving.md) names; the rest
follows by arithmetic.

## What it starts from

| what | value | from |
| --- | ---: | --- |
{inputs}

A request carries one row. On {family} a core is a whole one; on x86 two share it, as on the machine that was measured.

## Pods, nodes and money

{table}

Dollars a month, on demand, with nodes for the peak all month, which is more than the autoscaler leaves running. Spot
takes a third to a half off the nodes. The prediction log is counted with one month kept; every further month that
`aws.object_store.prediction_expiry_days` keeps adds the same again. Traffic between zones and training are not counted.

The pods are those of full connections. Where requests come apart from each other, each takes {apart_us:.0f} us of
processor time in place of {alone_us:.0f} us, {times:.1f} times as much, and a pod at its target answers
{apart_planned:,.0f} a second in place of {planned:,.0f}: multiply the pods by as much until your traffic was measured.

## What gives way first, and what to turn then

As `Pulumi.{environment}.yaml` is configured:

| part | carries, requests a second | turn |
| --- | ---: | --- |
{parts}

{answers}

Past that, in the order in which it pays:

- **Rows a request.** A pod answers {batch_times:.1f} times as many rows a second when they come by {batch_rows} in a
  body, and the load balancer carries a fraction of the headers.
- **The log's share.** `scoring.prediction_log.sample_rate: 0.1` keeps a tenth of the predictions; drift needs thousands
  of rows a chunk, not millions. The outcome of what was not kept is never known.
- **A stack a region, or a model.** Models share nothing but the cluster. One stack has ten at most.
"""


def page() -> str:
    """The page in Markdown."""
    found = source.read()
    alone_us = 1e6 / found.pod_per_second
    return _HEAD.format(
        inputs="\n".join(_inputs(found)),
        family=source.FAMILY,
        table="\n".join(_sizes(found)),
        apart_us=source.APART_US,
        alone_us=alone_us,
        times=source.APART_US / alone_us,
        apart_planned=found.planned_per_second * alone_us / source.APART_US,
        planned=found.planned_per_second,
        batch_times=source.batch_per_second() / found.pod_per_second,
        batch_rows=BATCH_ROWS,
        environment=source.ENVIRONMENT,
        parts="\n".join(
            f"| {part.name} | {part.limit(found):,.0f}{'' if part.of_peak else ', on average'} | {part.turn} |"
            for part in PARTS
        ),
        answers="\n".join(_answer(load, found) for load in LOADS),
    )


def _inputs(found: Inputs) -> list[str]:
    prices = read_prices()
    rows: list[tuple[str, str, str]] = [
        ("a pod with a core to itself, log behind the answer", f"{found.pod_per_second:,.0f} requests/s",
         "`benchmarks/serving/results.json`"),
        ("of its core that a pod uses before there is another", f"{found.target:.0%}", "`scoring.target_cpu_percent`"),
        ("so a pod is planned with", f"{found.planned_per_second:,.0f} requests/s", ""),
        ("a prediction in the object store", f"{found.record_bytes:.0f} bytes", "`toolchain/scale/inputs.py`"),
        ("drift evaluation", f"{found.drift_rows_per_second:,.0f} predictions/s", "likewise"),
        ("an hour of predictions in its memory", f"{DRIFT_ROW_BYTES} bytes each", f"of {found.drift_memory_mib} MiB"),
        ("a node", f"{NODE_CORES} cores, {NODE_CORES_TAKEN:g} taken", f"{source.FAMILY}.2xlarge"),
        ("everything that is no scoring pod asks for", f"{OTHER_CORES:g} cores", "`infra/config/`"),
        ("a pod asks for", f"{found.pod_cores:g} cores", f"`Pulumi.{source.ENVIRONMENT}.yaml`"),
        ("a core an hour, with Auto Mode's part", f"{found.core_usd_hour:.4f} USD", "`monitoring/rules/cost.yaml`"),
        ("control plane, NAT gateways, load balancer", f"{found.standing_usd_month:,.0f} USD a month",
         f"`toolchain/ci/prices.yaml`, {prices.region}, {prices.as_of}"),
        ("a request and its answer, with their headers", f"{found.request_bytes:.0f} bytes",
         "`toolchain/scale/inputs.py`"),
        ("load balancer", f"{found.balancer_usd_gb} USD a GB", "`toolchain/ci/prices.yaml`"),
        ("object store", f"{found.stored_usd_gib_month} USD a GiB and month", "likewise"),
    ]  # fmt: skip
    return [f"| {what} | {value} | {origin} |" for what, value, origin in rows]


def _sizes(found: Inputs) -> list[str]:
    lines = [
        "| load | pods | nodes | nodes, USD | balancer, USD | log, USD | standing, USD | all, USD | most goes to |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for load in LOADS:
        each = size(load, found)
        cells: list[Any] = [load.name, f"{each.pods:,}", f"{each.nodes:,}", f"{each.nodes_usd:,.0f}"]
        cells += [f"{each.balancer_usd:,.0f}", f"{each.stored_usd:,.0f}", f"{each.standing_usd:,.0f}"]
        cells += [f"{each.usd:,.0f}", largest_cost(each)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _answer(load: Load, found: Inputs) -> str:
    broken = gives_way(load, found)
    if broken:
        return f"- **{load.name}**: {', then '.join(part.name for part in broken)}."
    part, times = next_to_give_way(load, found)
    return f"- **{load.name}**: nothing; the first to, at {times:,.1f} times as much, is {part.name}."
