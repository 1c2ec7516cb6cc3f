"""Networks: tensors in, tensors out, one family per file. Import families by file."""
