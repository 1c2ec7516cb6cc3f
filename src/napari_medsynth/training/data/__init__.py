"""What is learnt from: subjects, slices, batches. Only batches need torch."""
