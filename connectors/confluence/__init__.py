"""Confluence Cloud as a source, over REST v2; v1 only for page restrictions."""
