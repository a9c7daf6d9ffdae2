"""Checks queries: that they parse, and that they ask for series and labels that exist."""

from collections.abc import Iterator, Mapping

import promql_parser
from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, VectorSelector

Series = Mapping[str, frozenset[str]]
"""Name of a series to its labels."""


class QueryError(ValueError):
    """A query that Prometheus would refuse, or that never returns anything; its text says what is wrong."""


def parse(query: str) -> Expr:
    """The query's syntax tree.

    Raises:
        QueryError: it is no PromQL, or its types do not fit.
    """
    try:
        return promql_parser.parse(query)
    except ValueError as error:
        message = f"{error} in `{query.strip()}`"
        raise QueryError(message) from None


def check(query: str, known: Series) -> frozenset[str]:
    """The labels that the query's answer may have.

    Args:
        query: the query.
        known: the series that there are.

    Raises:
        QueryError: it does not parse, or names a series or a label that does not exist.
    """
    return _labels(parse(query), known)


def names(query: str) -> frozenset[str]:
    """The series that a query asks for."""
    return frozenset(selector.name or "" for selector in _selectors(parse(query)))


def _selectors(tree: Expr) -> Iterator[VectorSelector]:
    found: list[VectorSelector] = []

    def visit(node: Expr) -> None:
        if isinstance(node, VectorSelector):
            found.append(node)

    promql_parser.walk(tree, visit)
    return iter(found)


def _labels(node: Expr, known: Series) -> frozenset[str]:  # noqa: PLR0911 (a case for each kind of node)
    """What labels the series of this part may have; from the leaves up."""
    match node:
        case VectorSelector():
            return _of_selector(node, known)
        case AggregateExpr():
            inner = _labels(node.expr, known)
            if node.param is not None and isinstance(node.param, Expr):
                _labels(node.param, known)
            if node.modifier is None:
                return frozenset()
            _all_known(node.modifier.labels, inner, node)
            named = frozenset(node.modifier.labels)
            return named if node.modifier.type == promql_parser.AggModifierType.By else inner - named
        case BinaryExpr():
            return _of_binary(node, known)
        case Call():
            return _of_call(node, known)
        case promql_parser.MatrixSelector():
            return _of_selector(node.vector_selector, known)
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr() | promql_parser.SubqueryExpr():
            return _labels(node.expr, known)
        case _:
            return frozenset()


def _of_selector(node: VectorSelector, known: Series) -> frozenset[str]:
    if node.name not in known:
        message = f"no exporter and no recording rule has a metric {node.name}"
        raise QueryError(message)
    labels = known[str(node.name)]
    _all_known([matcher.name for matcher in node.matchers.matchers], labels, node)
    return labels


def _of_call(node: Call, known: Series) -> frozenset[str]:
    found = frozenset[str]().union(*(_labels(argument, known) for argument in node.args))
    if node.func.name == "histogram_quantile":
        return found - {"le"}
    if node.func.name == "label_replace":
        _, target, _, source, _ = node.args
        _all_known([source.val], found, node)
        return found | {target.val}
    return found


def _of_binary(node: BinaryExpr, known: Series) -> frozenset[str]:
    left, right = _labels(node.lhs, known), _labels(node.rhs, known)
    modifier = node.modifier
    if modifier is None:
        return left | right
    if modifier.matching is not None and modifier.matching.type == promql_parser.LabelModifierType.Include:
        for side in (left, right):
            _all_known(modifier.matching.labels, side, node)
    return left | right | frozenset(modifier.group_labels or ())


def _all_known(asked: list[str], there: frozenset[str], node: Expr) -> None:
    for label in asked:
        if label not in there:
            message = (
                f"there is no label {label} at `{node.prettify()}`; there are {', '.join(sorted(there)) or 'none'}"
            )
            raise QueryError(message)
