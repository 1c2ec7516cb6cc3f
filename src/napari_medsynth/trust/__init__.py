"""How far to believe a synthesis: contributions, self-tests, uncertainty, consistency.

Submodules are imported by name; `site`, `advice` and `passport` need no torch.
"""
