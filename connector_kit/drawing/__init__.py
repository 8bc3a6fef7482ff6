"""What :mod:`connector_kit.show` is made of: tables in HTML, charts in hand-made SVG; nothing to install or to load."""
