"""A run in a process of its own: open the ports, execute the plan, stream the events."""
