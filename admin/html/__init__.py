"""HTML pages: Jinja2 environment, base template, styles, macros and charts."""
