"""Joins the configuration with those who can judge its parts: queries, conditions, cron lines, options of plug-ins."""

from syncd.config.checkers import Checkers


def checkers() -> Checkers:
    """The real judges of queries, conditions, cron lines and plug-in options, for whoever loads a configuration."""
    from syncd.engine.condition import check_condition
    from syncd.engine.query import check_query
    from syncd.engine.withoption import read_other_options
    from syncd.registry import connector, connector_types
    from syncd.scheduling.cron import check_cron

    return Checkers(
        query=check_query,
        cron=check_cron,
        connector=connector,
        connector_types=connector_types,
        options=read_other_options,
        condition=check_condition,
    )
