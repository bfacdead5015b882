"""The daemon: supervision, routing, doors, and the operator's side. trio on the main thread, the router on its own."""
