"""The application: everything a face can ask for, as plain method calls."""

from syncd.config.checkers import Checkers


def checkers() -> Checkers:
    """The real judges of queries, cron lines and plug-in options, for whoever loads a configuration."""
    from syncd.engine.query import check_query
    from syncd.registry import connector, connector_types
    from syncd.scheduling.cron import check_cron

    return Checkers(query=check_query, cron=check_cron, connector=connector, connector_types=connector_types)
