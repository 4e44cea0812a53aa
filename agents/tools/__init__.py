"""Tools that the product brings."""
