"""Data in, one Vega-Lite chart out: alive in the page, as SVG in Markdown, as PNG in MLflow."""
