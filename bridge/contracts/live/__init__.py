"""Contracts at run time: clients over Bascule's own connections, and modules loaded without writing files."""
