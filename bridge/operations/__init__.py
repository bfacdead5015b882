"""The operator's side: what can be asked of a running bridge."""
