"""The guard rail: tuned against base, the verdict, and what is kept."""
