"""Connector ``openshelf``."""
