"""widgets/parts."""
