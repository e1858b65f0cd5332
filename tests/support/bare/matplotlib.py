"""In the place of a package that the product can do without, as if it were not installed."""

raise ModuleNotFoundError("left out by this test", name="matplotlib")
