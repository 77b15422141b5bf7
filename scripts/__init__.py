"""Write pages in docs/ from what the program itself says."""
