"""Pieces that dock widgets share. They show and ask; none of them runs a model."""
